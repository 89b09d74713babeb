"""Overviews of all studies in a database and of everybody who works on them, each in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpotool.storage.control.studies import StudySummary, has_table
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query


@dataclass(frozen=True)
class StudyOverview:
    """One study of the overview. A study of plain Optuna has no state and no age.

    Attributes:
        made_s: time since it was created.
        heard_s: time since a worker's last sign of life or a change of state.
        workers: the number of workers that gave a recent sign of life.
        best: the best value; None with several metrics, with constraints, or before a trial is complete.
    """

    summary: StudySummary
    state: str | None = None
    budget_trials: int | None = None
    taken_over: int = 0
    made_s: float | None = None
    heard_s: float | None = None
    workers: int = 0
    best: float | None = None

    @property
    def finished(self) -> int:
        """The number of trials that count towards the budget."""
        counts = self.summary.trials
        return counts.get("COMPLETE", 0) + counts.get("PRUNED", 0) - self.taken_over

    @property
    def shown_state(self) -> str | None:
        """The state; ``done`` as soon as the budget is used up, although only the next claim stores it."""
        is_used = self.budget_trials is not None and self.finished >= self.budget_trials
        return "done" if self.state == "running" and is_used else self.state


def read_overviews(
    connection: Connection, summaries: Sequence[StudySummary], gone_after_s: float
) -> list[StudyOverview]:
    """The overview of these studies, in order; counts workers with a sign of life within ``gone_after_s``."""
    if not has_table(connection, "hpotool.study_settings"):
        return [StudyOverview(summary) for summary in summaries]
    rows = {row[0]: row[1:] for row in connection.run(query("list_overviews"), {"gone_after_s": gone_after_s})}
    return [StudyOverview(summary, *rows.get(summary.name, ())) for summary in summaries]


@dataclass(frozen=True)
class BusyWorker:
    """A worker of any study that has not ended.

    Attributes:
        last_beat_s: time since its last sign of life.
        told_to: what people told the worker: ``drain`` or ``stop``.
        trial: the number of the trial that it runs; ``step`` and ``running_s`` are how far that is.
        cancel_reason: why people told the trial to stop.
    """

    study_id: int
    study: str
    worker: str
    host: str
    slot: str
    launch: str | None
    last_beat_s: float
    told_to: str | None
    trial: int | None
    step: int | None
    running_s: float | None
    cancel_reason: str | None


@dataclass(frozen=True)
class OpenLaunch:
    """A launch that was not stopped. ``here``: how many of its workers give a sign of life."""

    study_id: int
    study: str
    launch: str
    target: str
    wanted: int
    here: int
    jobs: Sequence[str]
    launched_by: str
    ago_s: float


def list_all_workers(connection: Connection) -> list[BusyWorker]:
    """The workers of every study that have not ended, in order of study and registration."""
    if not has_table(connection, "hpotool.workers"):
        return []
    return [BusyWorker(*row) for row in connection.run(query("list_all_workers"))]


def list_open_launches(connection: Connection, gone_after_s: float) -> list[OpenLaunch]:
    """The launches of studies with work left, the first one first."""
    if not has_table(connection, "hpotool.launches"):
        return []
    rows = connection.run(query("list_open_launches"), {"gone_after_s": gone_after_s})
    return [OpenLaunch(*row) for row in rows]


def read_ids_and_reasons(connection: Connection) -> dict[str, tuple[int, str]]:
    """The id of each study by its name, and the reason for its state, which may be empty."""
    if not has_table(connection, "hpotool.study_settings"):
        rows = connection.run("SELECT study_name, study_id, NULL FROM studies")
    else:
        rows = connection.run(query("list_study_ids"))
    return {name: (study_id, reason or "") for name, study_id, reason in rows}
