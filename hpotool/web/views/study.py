"""A study's page: the figures of `hpotool status`, its cost, its notes and its events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from hpotool.analysis.insights.failures import say_region
from hpotool.analysis.report.figures import draw_history
from hpotool.analysis.status import StudyStatus
from hpotool.errors import paste
from hpotool.storage.control.activity import Spent, read_spending
from hpotool.storage.control.creation import read_spec_if_any
from hpotool.storage.control.keeping import read_note
from hpotool.storage.control.orders import Event, read_events
from hpotool.study.rules.budget import total_cost
from hpotool.study.wording import count_of, format_elapsed, format_when, round_estimate
from hpotool.web.source import Source

if TYPE_CHECKING:
    from optuna import Study

    from hpotool.study.spec import StudySpec

EVENTS_SHOWN = 20
_MOST_DOTS = 300  # a page is sent again every few seconds
_MOST_ON_FRONT = 50
_LATEST = 12
_MOST_WARNINGS = 3  # of one kind
_REEVALUATIONS = "confirmations and final trainings"


@dataclass(frozen=True)
class SpentRow:
    """The attempts with one outcome: how many, how long, and by the study's prices at which cost."""

    outcome: str
    attempts: int
    seconds: float
    cost: float


def show_study(source: Source, study_id: int) -> dict[str, Any]:
    """Return what a study's page shows.

    Raises:
        NotFoundError: there is no such study.
    """
    found, study = source.status(study_id), source.study(study_id)
    spec = read_spec_if_any(source.connection, study.study_name)
    rows = found.best.as_rows()
    return {
        "study_id": study_id,
        "name": study.study_name,
        "found": found,
        "status": found.as_data(),
        "counts": list(count_trials(found)),
        "pace": list(say_pace(found, datetime.now(timezone.utc).astimezone())),
        "warnings": list(list_warnings(found)),
        "spending": sum_spending(read_spending(source.connection, study_id), spec.budget.prices if spec else {}),
        "limits": list_limits(spec),
        "best": rows[:_MOST_ON_FRONT],
        "best_hidden": max(0, len(rows) - _MOST_ON_FRONT),
        "figures": _draw(study),
        "outlook": list(list_outlook(found)),
        "region": None if found.failure_region is None else say_region(found.failure_region),
        "latest": found.activity.latest[:_LATEST],
        "confirmation": list_confirmed(found),
        "note": read_note(source.connection, study_id),
        "tags": dict(spec.tags) if spec else {},
        "has_tags": spec is not None,
        "events": last_events(source, study_id),
        "orders": list_moves(found.progress.state),
    }


def count_trials(found: StudyStatus) -> Iterator[tuple[str, int]]:
    """Yield the number of trials in each state, those that failed for good apart from retried ones."""
    counts = found.progress.summary.trials
    yield from ((state.lower(), counts.get(state, 0)) for state in ("RUNNING", "COMPLETE", "PRUNED", "WAITING"))
    rare = {
        "failed for good": found.failed_for_good,
        "tried again": found.activity.tried_again,
        "handed back": found.activity.handed_back,
    }
    yield from ((word, count) for word, count in rare.items() if count)


def say_pace(found: StudyStatus, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield what is known of the study's pace, each under its name."""
    pace = found.pace
    if pace.elapsed_s is not None:
        yield "took" if found.is_over else "elapsed", format_elapsed(pace.elapsed_s)
    if pace.trial_s is not None:
        yield "per trial", format_elapsed(pace.trial_s)
    if pace.trials_per_hour is not None:
        rate = pace.trials_per_hour
        yield "trials per hour", f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
    if pace.left_s is not None:
        yield "done in about", f"{format_elapsed(round_estimate(pace.left_s))} ({format_when(pace.left_s, now)})"


def list_warnings(found: StudyStatus) -> Iterator[str]:
    """Yield what needs attention."""
    yield from filter(None, (found.progress.warning, found.risk))
    yield from _first([f"{one['worker']} differs from the study: {one['differs']}" for one in found.different])
    yield from _first([_say_gone(worker) for worker in found.workers if worker["state"] == "gone"])
    if found.progress.state == "running":
        yield from _first(
            [
                f"{worker['id']} waits: {worker['waits']}"
                for worker in found.workers
                if worker["state"] != "gone" and worker["trial"] is None and worker.get("waits")
            ]
        )
    if found.is_forsaken:
        yield f"no workers; to start one: {paste('worker', '--study', found.progress.summary.name)}"


def _first(warnings: list[str]) -> Iterator[str]:
    """Yield the first warnings of a kind, and how many more there are."""
    yield from warnings[:_MOST_WARNINGS]
    if len(warnings) > _MOST_WARNINGS:
        yield f"and {count_of(len(warnings) - _MOST_WARNINGS, 'more worker')} like that"


def _say_gone(worker: Mapping[str, Any]) -> str:
    trial = "" if worker["trial"] is None else f", with trial {worker['trial']}"
    return f"{worker['id']} is gone: not heard of for {format_elapsed(worker['last_beat_s'])}{trial}"


def list_outlook(found: StudyStatus) -> Iterator[str]:
    """Yield what further search may gain, and whether pruning is safe, as far as that is known."""
    if found.gain is not None:
        yield found.gain.outlook
    if found.early_ranks is not None and found.risk is None:
        yield found.early_ranks.summary


def sum_spending(spent: Sequence[Spent], prices: dict[str, float] | Any) -> list[SpentRow]:
    """Return a row for each outcome, the longest first, then the re-evaluations, then the sum."""
    groups: defaultdict[str, list[Spent]] = defaultdict(list)
    for one in spent:
        groups[_REEVALUATIONS if one.is_reevaluation else one.outcome or "running"].append(one)
    rows = [_add(outcome, own, prices) for outcome, own in groups.items()]
    rows.sort(key=lambda row: (row.outcome == _REEVALUATIONS, -row.seconds))
    return [*rows, _add("all", spent, prices)] if len(rows) > 1 else rows


def _add(outcome: str, spent: Sequence[Spent], prices: Any) -> SpentRow:
    hours: defaultdict[str, float] = defaultdict(float)
    for one in spent:
        hours[one.slot] += one.seconds / 3600
    return SpentRow(
        outcome,
        sum(one.attempts for one in spent),
        sum(one.seconds for one in spent),
        total_cost(hours, prices),
    )


def list_limits(spec: StudySpec | None) -> dict[str, str]:
    """Return the budget's limits beside the number of trials, as the study file has them."""
    from hpotool.study.file.resolved import to_document

    budget = to_document(spec)["budget"] if spec else {}
    return {
        f"limit of {key}": str(value) for key, value in budget.items() if key not in ("trials", "prices") and value
    }


def list_confirmed(found: StudyStatus) -> dict[str, Any] | None:
    """Return the answer of a confirmation with its points as rows, if anything was measured again."""
    data = found.as_data().get("confirmation")
    if data is None or found.confirmation is None:
        return None
    return {**data, "rows": [point.as_row() for point in found.confirmation.points]}


def list_moves(state: str) -> list[str]:
    """Return the orders that make sense in a state."""
    return {
        "running": ["pause", "drain", "stop"],
        "paused": ["resume", "drain", "stop"],
        "draining": ["resume", "stop"],
        "stopped": ["resume"],
    }.get(state, [])


def last_events(source: Source, study_id: int, number: int | None = None) -> list[Event]:
    """Return the last events of a study or of one trial, newest first."""
    if not source.has("events"):
        return []
    return read_events(source.connection.run, study_id, number=number, last=EVENTS_SHOWN)[::-1]


def _draw(study: Study) -> list[Any]:
    from hpotool.analysis.results import metric_names

    drawn = [draw_history([study], metric, _MOST_DOTS) for metric in metric_names(study)]
    return [figure for figure in drawn if figure is not None]
