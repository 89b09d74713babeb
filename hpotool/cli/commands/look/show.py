"""``hpotool show``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, show, table
from hpotool.cli.text import cell, words

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hpotool.analysis.description import StudyDescription
    from hpotool.storage.database.connection import Connection

_ONE_LINE = ("number", "state", "outcome", "started", "ended", "duration_s", "lineage")
_TABLES = ("values", "params", "constraints", "user_attributes", "system_attributes")
_REPORTS_SHOWN = 20


def show_study_or_trial(
    trial: Annotated[
        int | None, typer.Argument(metavar="[TRIAL]", help="A trial's number; without one, the study.", min=0)
    ] = None,
    study: StudyOption = None,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show everything about a study, what searches it and why; or about one trial, with every attempt."""
    from hpotool.cli.database import connect

    connection = connect(storage)
    show(_ask_study(connection, study) if trial is None else _ask_trial(connection, study, trial), format)


def _ask_study(connection: Connection, name: str | None) -> Answer:
    from hpotool.analysis.description import describe_study
    from hpotool.cli.database import find_study
    from hpotool.storage.control.creation import read_spec
    from hpotool.storage.control.studies import read_progress

    summary = find_study(connection, name)
    _, spec = read_spec(connection, summary.name)
    description = describe_study(spec, read_progress(connection, summary))
    return Answer(
        data=description.as_data(),
        rows=description.parameters(),
        value=description.search.sentence,
        picture=lambda: _draw_study(description),
        empty="the objective suggests its parameters itself",
    )


def _ask_trial(connection: Connection, study: str | None, number: int) -> Answer:
    from hpotool.analysis.trials import describe_trial
    from hpotool.cli.database import load_study
    from hpotool.storage.control.studies import list_attempts

    loaded = load_study(connection, study)
    data = describe_trial(loaded, number, list_attempts(connection, loaded.study_name, number)).as_data()
    return Answer(
        data=data,
        rows=[{key: value for key, value in data.items() if key != "attempts"}],
        value=" ".join(repr(value) for value in data["values"].values()),
        picture=lambda: _draw(data),
    )


def _draw_study(description: StudyDescription) -> RenderableType:
    from rich.console import Group

    from hpotool.study.branch import say_tiers
    from hpotool.study.spec import TierSpec

    data = description.as_data()
    lines = {
        "study": f"{data['study']}, {data['state']}, {data['workers']} workers",
        "objective": data["objective"].get("python") or " ".join(data["objective"]["command"]),
        "metrics": _pairs(data["metrics"]),
        "constraints": _pairs(data["constraints"]),
        "sampler": _named(data["sampler"]),
        "search": description.search.sentence,
        "pruner": _named(data["pruner"]),
        "tiers": say_tiers([TierSpec(**tier) for tier in data.get("tiers", ())]),
        "budget": _pairs(data["budget"]) or "no limit",
    }
    parts: list[RenderableType] = [words(f"{key:<12} {value}") for key, value in lines.items() if value]
    rows = description.parameters()
    parts.append(table(rows, "search space") if rows else words("the objective suggests its parameters itself"))
    return Group(*parts)


def _named(algorithm: Mapping[str, Any]) -> str:
    rest = _pairs({key: value for key, value in algorithm.items() if key != "name"})
    return f"{algorithm['name']}, {rest}" if rest else str(algorithm["name"])


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


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

    parts: list[RenderableType] = [
        words(f"{key:<12} {value}") for key in _ONE_LINE if (value := data.get(key)) not in (None, [], "")
    ]
    if data["branch"]:
        parts += [words(f"{key:<12} {value}") for key, value in _say_branch(data["branch"], data["ancestry"])]
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
            Group(words(f"\nlast output of attempt {count}"), words(one["output_tail"], "dim"))
            for count, one in enumerate(data["attempts"], start=1)
            if one.get("output_tail")
        ]
    return Group(*parts)
