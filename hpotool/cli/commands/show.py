"""``hpotool show``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpotool.cli.options import FormatOption, StorageOption, StudyOption, TrialArgument
from hpotool.cli.output import Answer, Format, cell, show, table

if TYPE_CHECKING:
    from rich.console import RenderableType

_ONE_LINE = ("number", "state", "outcome", "started", "ended", "duration_s", "lineage")
_TABLES = ("values", "params", "constraints", "user_attributes", "system_attributes")
_REPORTS_SHOWN = 20


def show_trial(
    trial: TrialArgument,
    study: StudyOption = None,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show everything about one trial: values, parameters, reports, attempts and how each ended."""
    from hpotool.analysis.trials import describe_trial
    from hpotool.cli.database import connect, load_study
    from hpotool.storage.studies import list_attempts

    connection = connect(storage)
    loaded = load_study(connection, study)
    data = describe_trial(loaded, trial, list_attempts(connection, loaded.study_name, trial)).as_data()
    show(
        Answer(
            data=data,
            rows=[{key: value for key, value in data.items() if key != "attempts"}],
            value=" ".join(repr(value) for value in data["values"].values()),
            picture=lambda: _draw(data),
        ),
        format,
    )


def _say_branch(branch: Mapping[str, Any], ancestry: Sequence[int]) -> Iterator[tuple[str, str]]:
    replaced = branch["predecessor"] if branch["predecessor"] != branch["source"] else None
    place = "" if replaced is None else f", in the place of trial {replaced}"
    yield "goes on from", f"trial {branch['source']}{place}, up to step {branch['steps']}"
    if branch["tier"] is not None:
        yield "tier", str(branch["tier"] + 1)
    for name, (before, after) in (branch["explored"] or {}).items():
        yield "explored", f"{name}: {cell(before)} -> {cell(after)}"
    yield "ancestry", " <- ".join(map(str, ancestry))


def _draw(data: Mapping[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [
        Text(f"{key:<12} {value}") for key in _ONE_LINE if (value := data.get(key)) not in (None, [], "")
    ]
    if data["branch"]:
        parts += [Text(f"{key:<12} {value}") for key, value in _say_branch(data["branch"], data["ancestry"])]
    parts += [
        table([{"name": name, "value": cell(value)} for name, value in data[key].items()], key)
        for key in _TABLES
        if data.get(key)
    ]
    reports = list(data["reports"].items())
    if reports:
        shown = [{"step": step, "value": value} for step, value in reports[-_REPORTS_SHOWN:]]
        title = "reports" if len(shown) == len(reports) else f"the last {len(shown)} of {len(reports)} reports"
        parts.append(table(shown, title))
    if data["attempts"]:
        rows = [{key: value for key, value in one.items() if key != "output_tail"} for one in data["attempts"]]
        parts.append(table(rows, "attempts"))
        parts += [
            Group(Text(f"\nlast output of attempt {count}"), Text(one["output_tail"], style="dim"))
            for count, one in enumerate(data["attempts"], start=1)
            if one.get("output_tail")
        ]
    return Group(*parts)
