"""``hpotool show``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.commands.look.best import edge_lines
from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, show, table
from hpotool.cli.screen.text import words
from hpotool.errors import paste
from hpotool.study.wording import count_of, format_elapsed, format_local, plain_cell, zone

if TYPE_CHECKING:
    from optuna import Study
    from rich.console import RenderableType

    from hpotool.analysis.description import StudyDescription
    from hpotool.analysis.status import StudyStatus
    from hpotool.storage.control.studies import StudyProgress
    from hpotool.storage.database.connection import Connection

_TABLES = ("values", "params", "constraints", "user_attributes", "system_attributes")
# Attributes that are shown as "retry of" and "outcome" instead.
_SAID_ELSEWHERE = ("failed_trial", "retry_history", "hpotool:failed")
_REPORTS_SHOWN = 20
_NAMES_WIDTH = 11  # the length of the longest name in a description


def show_study_or_trial(
    trial: Annotated[
        int | None, typer.Argument(metavar="TRIAL", help="A trial's number [default: show the study].", min=0)
    ] = None,
    study: StudyOption = None,
    lineage: Annotated[
        bool, typer.Option("--lineage", help="Show the code, data and environment that results come from.")
    ] = False,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show everything about a study, including how it is searched and why; or about one trial and its attempts."""
    from hpotool.cli.database import connect

    connection = connect(storage)
    if lineage:
        show(_ask_lineage(connection, study, trial), format)
        return
    show(_ask_study(connection, study) if trial is None else _ask_trial(connection, study, trial), format)


def _ask_study(connection: Connection, name: str | None) -> Answer:
    from hpotool.analysis.description import describe_study
    from hpotool.analysis.status import read_status
    from hpotool.cli.database import find_study, load_study
    from hpotool.storage.control.creation import read_spec_if_any
    from hpotool.storage.control.studies import read_progress

    summary = find_study(connection, name)
    spec = read_spec_if_any(connection, summary.name)
    if spec is None:
        return _ask_plain_study(
            connection, load_study(connection, summary.name), read_progress(connection, summary)
        )
    description = describe_study(spec, read_progress(connection, summary))

    def draw() -> RenderableType:
        study = load_study(connection, summary.name)
        return _draw_study(description, read_status(connection, study), study)

    return Answer(
        data=description.as_data(),
        rows=description.parameters(),
        value=description.search.sentence,
        picture=draw,
        empty="the objective suggests its parameters itself",
    )


def _ask_plain_study(connection: Connection, study: Study, progress: StudyProgress) -> Answer:
    """A study of plain Optuna: no settings, but trials and the space that they show."""
    from hpotool.analysis.description import describe_plain_study

    data = describe_plain_study(study, progress)

    def draw() -> RenderableType:
        from rich.console import Group

        from hpotool.analysis.status import read_status
        from hpotool.analysis.trials import study_attributes
        from hpotool.cli.screen.tables import record
        from hpotool.study.labels import join_note, note_prefix

        status = read_status(connection, study)
        lines = {
            "study": f"{data['study']}, created by plain Optuna",
            **_describe_progress(status),
            "metrics": _pairs(data["metrics"]),
            "attributes": _pairs(data["user_attributes"]),
            "note": join_note(study_attributes(study), note_prefix(None)),
        }
        rows = data["search_space"]
        return Group(
            record({key: value or None for key, value in lines.items()}, _NAMES_WIDTH),
            "",
            table(rows, "search space, as the trials show it") if rows else words("no trial has parameters yet"),
            words(f"for settings of its own: {paste('init', '--from-study', study.study_name)}", "dim"),
        )

    return Answer(data=data, rows=data["search_space"], value=study.study_name, picture=draw)


def _ask_trial(connection: Connection, study: str | None, number: int) -> Answer:
    from hpotool.cli.database import load_study

    data = _describe(connection, load_study(connection, study, with_reevaluations=True), number)
    return Answer(
        data=data,
        rows=[{key: value for key, value in data.items() if key != "attempts"}],
        value=" ".join(repr(value) for value in data["values"].values()),
        picture=lambda: _draw(data),
    )


def _ask_lineage(connection: Connection, study: str | None, number: int | None) -> Answer:
    from hpotool.analysis.origins.lineage import read_lineage
    from hpotool.cli.commands.look.lineage import lineage_answer
    from hpotool.cli.database import find_study

    name = find_study(connection, study).name
    found = read_lineage(connection, name, number)
    if number is not None and not found.origins:
        _ask_trial(connection, name, number)  # which says so if there is no such trial
    return lineage_answer(found)


def draw_trial(connection: Connection, study: Study, number: int) -> RenderableType:
    """A trial as ``show`` describes it.

    Raises:
        NotFoundError: there is no such trial.
    """
    return _draw(_describe(connection, study, number))


def _describe(connection: Connection, study: Study, number: int) -> dict[str, Any]:
    from hpotool.analysis.trials import describe_trial
    from hpotool.storage.control.studies import list_attempts

    return describe_trial(study, number, list_attempts(connection, study.study_name, number)).as_data()


def _draw_study(description: StudyDescription, status: StudyStatus, study: Study) -> RenderableType:
    from rich.console import Group

    from hpotool.analysis.trials import study_attributes
    from hpotool.cli.screen.tables import record
    from hpotool.study.branch import describe_tiers
    from hpotool.study.labels import join_note, note_prefix
    from hpotool.study.spec import TierSpec

    data = description.as_data()
    lines = {
        "study": f"{data['study']}, {data['state']}, {count_of(data['workers'], 'worker')}",
        **_describe_progress(status),
        "objective": data["objective"].get("python") or " ".join(data["objective"]["command"]),
        "metrics": _pairs(data["metrics"]),
        "constraints": _pairs(data["constraints"]),
        "sampler": _named(data["sampler"]),
        "search": description.search.sentence,
        "pruner": _named(data["pruner"]),
        "tiers": describe_tiers([TierSpec(**tier) for tier in data.get("tiers", ())]),
        "budget": _pairs(data["budget"]) or "no limit",
        "description": data.get("description"),
        "tags": _pairs(data.get("tags", {})),
        "note": join_note(study_attributes(study), note_prefix(None)),
    }
    parts: list[RenderableType] = [record({key: value or None for key, value in lines.items()}, _NAMES_WIDTH)]
    if status.best.trials:
        parts += edge_lines(study, status.best.trials[0].number)
    rows = [_describe_scale(row) for row in description.parameters()]
    parts += ["", table(rows, "search space") if rows else words("the objective suggests its parameters itself")]
    return Group(*parts)


def _describe_progress(status: StudyStatus) -> dict[str, str]:
    """When the study was created and started, its progress, and the best result so far."""
    now = datetime.now(timezone.utc)
    activity, progress = status.activity, status.progress
    ages = {"created": activity.made_s, "started": activity.begun_s}
    lines = {
        key: f"{format_local(now - timedelta(seconds=age))} ({zone(now)}), {format_elapsed(age)} ago"
        for key, age in ages.items()
        if age is not None
    }
    limit = "" if progress.budget_trials is None else f" of {progress.budget_trials}"
    lines["progress"] = f"{progress.finished}{limit} finished"
    if len(status.best.trials) == 1:
        best = status.best.trials[0]
        lines["best"] = f"{_pairs({k: plain_cell(v) for k, v in best.values.items()})} in trial {best.number}"
    if status.failure_region is not None:
        from hpotool.analysis.insights.failures import say_region

        lines["fails where"] = say_region(status.failure_region)
    return lines


def _describe_scale(row: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter's row, with its scale in a word."""
    shown = {key: value for key, value in row.items() if key != "log"}
    return {**shown, "scale": "log"} if row.get("log") else shown


def _named(algorithm: Mapping[str, Any]) -> str:
    rest = _pairs({key: value for key, value in algorithm.items() if key != "name"})
    return f"{algorithm['name']}, {rest}" if rest else str(algorithm["name"])


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _describe_branch(branch: Mapping[str, Any], ancestry: Sequence[int]) -> Iterator[tuple[str, str]]:
    replaced = branch["predecessor"] if branch["predecessor"] != branch["source"] else None
    place = "" if replaced is None else f", in the place of trial {replaced}"
    yield "comes from", f"trial {branch['source']}{place}, up to step {branch['steps']}"
    if branch["tier"] is not None:
        yield "tier", str(branch["tier"] + 1)
    explored = (branch["explored"] or {}).items()
    if explored:
        moves = [f"{name}: {plain_cell(before)} -> {plain_cell(after)}" for name, (before, after) in explored]
        yield "explored", ", ".join(moves)
    yield "ancestry", " <- ".join(map(str, ancestry))


def _describe_trial(data: Mapping[str, Any]) -> dict[str, str]:
    now = datetime.now(timezone.utc)
    lines = {"trial": str(data["number"]), "state": data["state"], "outcome": data["outcome"] or ""}
    for key in ("started", "ended"):
        if data[key]:
            lines[key] = f"{format_local(datetime.fromisoformat(data[key]))} ({zone(now)})"
    if data["duration_s"] is not None:
        lines["took"] = format_elapsed(data["duration_s"])
    if "phase" in data:
        which = f", replicate {data['replicate'] + 1}" if data["phase"] == "confirm" else ""
        lines["for"] = f"{data['phase']}: {data['point']}{which}"
    if "reused" in data:
        lines["result of"] = f"trial {data['reused']['trial']} of study {data['reused']['study']}, not run again"
    if data["lineage"]:
        lines["retry of"] = f"trial {', '.join(map(str, data['lineage']))}"
    lines["tags"] = _pairs(data.get("tags", {}))
    lines["note"] = data.get("note", "")
    return {key: value for key, value in lines.items() if value}


def _describe_attempt(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """An attempt's row, with its start in local time."""
    shown = {key: value for key, value in attempt.items() if key != "output_tail"}
    if shown.get("started"):
        shown["started"] = format_local(datetime.fromisoformat(shown["started"]))
    return shown


def _draw(data: Mapping[str, Any]) -> RenderableType:
    from rich.console import Group

    from hpotool.cli.screen.tables import record

    lines = {
        **_describe_trial(data),
        **(dict(_describe_branch(data["branch"], data["ancestry"])) if data["branch"] else {}),
    }
    parts: list[RenderableType] = [record(lines, _NAMES_WIDTH)]
    for key in _TABLES:
        rows = [
            {"name": name, "value": plain_cell(value)}
            for name, value in (data.get(key) or {}).items()
            if key != "system_attributes" or name not in _SAID_ELSEWHERE
        ]
        parts += [table(rows, key.replace("_", " "))] if rows else []
    reports = list(data["reports"].items())
    if reports:
        shown = [{"step": step, "value": value} for step, value in reports[-_REPORTS_SHOWN:]]
        title = "reports" if len(shown) == len(reports) else f"the last {len(shown)} of {len(reports)} reports"
        parts.append(table(shown, title))
    if data["attempts"]:
        parts.append(table([_describe_attempt(one) for one in data["attempts"]], "attempts"))
        parts += [
            Group(words(f"last output of attempt {count}"), words(one["output_tail"], "dim"))
            for count, one in enumerate(data["attempts"], start=1)
            if one.get("output_tail")
        ]
    return Group(parts[0], *(line for part in parts[1:] for line in ("", part)))
