"""``hpotool studies``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption
from hpotool.cli.output import Answer, Format, show
from hpotool.study.wording import format_elapsed

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hpotool.storage.control.overviews import StudyOverview

_STATES = ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")


def studies(
    pattern: Annotated[
        str | None,
        typer.Argument(
            metavar="PATTERN", help="Only studies with a matching name, like 'digits-*'.", show_default=False
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", metavar="KEY[=VALUE]", help="Only studies with this tag; repeatable.", show_default=False
        ),
    ] = None,
    all: Annotated[bool, typer.Option("--all", "-a", help="Also archived studies.")] = False,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List the studies in the database: state, progress, best value, age, workers."""
    from builtins import all as all_of
    from fnmatch import fnmatchcase

    from hpotool.analysis.pace import GONE_AFTER_S
    from hpotool.cli.database import connect
    from hpotool.storage.control.keeping import read_study_tags
    from hpotool.storage.control.overviews import read_overviews
    from hpotool.storage.control.studies import has_table, list_studies
    from hpotool.study.labels import has_tag

    connection = connect(storage)
    every = [study for study in list_studies(connection) if all or not study.is_archived]
    tags = read_study_tags(connection) if has_table(connection, "hpotool.study_settings") else {}
    found = [
        study
        for study in every
        if (pattern is None or fnmatchcase(study.name, pattern))
        and all_of(has_tag(tags.get(study.name, {}), wanted) for wanted in tag or ())
    ]
    overviews = read_overviews(connection, found, GONE_AFTER_S)
    show(
        Answer(
            data=[
                {
                    "name": study.name,
                    "metrics": study.metrics,
                    "trials": study.trials,
                    "state": one.shown_state,
                    "workers": one.workers,
                    "best": one.best,
                    **({"tags": tags[study.name]} if tags.get(study.name) else {}),
                }
                for study, one in zip(found, overviews, strict=True)
            ],
            rows=[_row(overview) for overview in overviews],
            value="\n".join(study.name for study in found),
            picture=(lambda: _draw(overviews)) if overviews else None,
            empty=f"no study matches {' '.join(filter(None, [pattern, *(tag or ())]))!r}; "
            f"hpotool studies lists all {len(every)}"
            if every
            else "no studies yet; create one with: hpotool create-study FILE",
        ),
        format,
    )


def _row(overview: StudyOverview) -> dict[str, Any]:
    """The columns of a CSV file: counts of trials by state, and everything else as plain values."""
    summary = overview.summary
    return {
        "study": summary.name,
        "metrics": _describe_metrics(overview),
        **{state.lower(): summary.trials.get(state, 0) for state in _STATES},
        "state": overview.shown_state,
        "budget": overview.budget_trials,
        "best": overview.best,
        "workers": overview.workers,
        "made_s": overview.made_s,
        "heard_s": overview.heard_s,
    }


def _draw(overviews: Sequence[StudyOverview]) -> RenderableType:
    from hpotool.cli.screen.tables import Fitted

    rows = [
        {
            "study": overview.summary.name,
            "state": overview.shown_state or "plain Optuna",
            "finished": _describe_progress(overview),
            "best": overview.best,
            "workers": overview.workers,
            "failed": overview.summary.trials.get("FAIL", 0),
            "made": _format_ago(overview.made_s),
            "last active": _format_ago(overview.heard_s),
            "metrics": _describe_metrics(overview),
        }
        for overview in overviews
    ]
    return Fitted(rows, style=_style)


def _describe_progress(overview: StudyOverview) -> str:
    limit = "" if overview.budget_trials is None else f"/{overview.budget_trials}"
    return f"{overview.finished}{limit}"


def _describe_metrics(overview: StudyOverview) -> str:
    return ", ".join(f"{metric} ({direction})" for metric, direction in overview.summary.metrics.items())


def _format_ago(seconds: float | None) -> str:
    return "" if seconds is None else f"{format_elapsed(max(0.0, seconds))} ago"


def _style(row: Mapping[str, Any]) -> str:
    if row["state"] == "running":
        return "cyan" if row["workers"] else "yellow"
    return {"paused": "yellow", "draining": "yellow", "stopped": "red"}.get(row["state"], "")
