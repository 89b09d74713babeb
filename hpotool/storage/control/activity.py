"""The activity in a study: its pace, failures, latest attempts, and the workers that left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hpotool.storage.control.studies import has_table
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query

_MEASURED = 100  # number of attempts over which the pace is measured
_SHOWN = 50  # number of attempts listed individually


@dataclass(frozen=True)
class StudyActivity:
    """The activity in a study. All ages are by the database's clock; unknown values are None.

    Attributes:
        made_s: time since the study was created.
        begun_s: time since its first trial was claimed.
        idle_s: time since an attempt last ended.
        trial_s: duration of a finished trial, as the mean of the last ones.
        cost_s: worker time for each finished trial, including failures and the gaps between trials.
        tried_again: failed trials that were queued again because of their outcome.
        handed_back: trials that were interrupted, or queued again by hand.
        failures: ``{"outcome", "count", "reason", "trial"}``, most frequent first, with the latest reason.
        latest: ``{"trial", "first_trial", "outcome", "reason", "host", "duration_s"}`` of the last ended attempts.
        departed: ``{"id", "host", "reason", "ago_s"}`` of the workers that left last.
        steps: the step that each worker's trial has reached, by worker id.
    """

    made_s: float | None = None
    begun_s: float | None = None
    idle_s: float | None = None
    trial_s: float | None = None
    cost_s: float | None = None
    tried_again: int = 0
    handed_back: int = 0
    failures: tuple[Mapping[str, Any], ...] = ()
    latest: tuple[Mapping[str, Any], ...] = ()
    departed: tuple[Mapping[str, Any], ...] = ()
    steps: Mapping[str, int | None] = field(default_factory=dict)


def read_activity(connection: Connection, study_name: str) -> StudyActivity:
    """Read the activity in a study; empty for a study that hpotool has never used."""
    if not has_table(connection, "hpotool.attempts"):
        return StudyActivity()
    parameters = {"study_name": study_name, "last": _MEASURED, "shown": _SHOWN}
    rows = connection.run(query("study_activity"), parameters)
    if not rows:
        return StudyActivity()
    made_s, begun_s, idle_s, trial_s, cost_s, tried_again, handed_back, failures, latest, departed, steps = rows[0]
    return StudyActivity(
        made_s,
        begun_s,
        idle_s,
        trial_s,
        cost_s,
        tried_again,
        handed_back,
        failures=tuple(failures),
        latest=tuple(latest),
        departed=tuple(departed),
        steps=steps,
    )


@dataclass(frozen=True)
class Spent:
    """The attempts with one outcome (``None``: they run) on one slot, of the search or of re-evaluations."""

    outcome: str | None
    slot: str
    is_reevaluation: bool
    attempts: int
    seconds: float


def read_spending(connection: Connection, study_id: int) -> list[Spent]:
    """How long slots have worked on a study, counted in the database; empty if hpotool has never used it."""
    if not has_table(connection, "hpotool.attempts"):
        return []
    return [Spent(*row) for row in connection.run(query("study_spending"), {"study_id": study_id})]
