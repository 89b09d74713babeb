"""What is left of a study once it is done: the facts that show whether the guarantees held."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import Run


@dataclass(frozen=True)
class Start:
    """What the drill's objective notes of an attempt: the step it began at, and whose checkpoint it found."""

    began_at: int
    found_x: float | None = None


@dataclass(frozen=True)
class TrialEvidence:
    """A trial. ``root`` is the number of the lineage's first trial, ``reported`` the last step that was reported.

    ``x`` and ``start`` are None in studies with another objective than the drill's.
    """

    number: int
    root: int
    state: str
    value: float | None = None
    values: int = 0
    has_retry: bool = False
    is_taken_over: bool = False
    reported: int | None = None
    x: float | None = None
    start: Start | None = None


@dataclass(frozen=True)
class AttemptEvidence:
    """An attempt of hpotool's; plain Optuna has none."""

    number: int
    root: int
    outcome: str | None
    has_ended: bool = True


@dataclass(frozen=True)
class Evidence:
    """The trials and attempts of a study, by number, and how many trials it counts as taken over."""

    trials: Sequence[TrialEvidence]
    attempts: Sequence[AttemptEvidence]
    taken_over: int = 0


def read_evidence(run: Run, study_id: int, start_key: str = "") -> Evidence:
    """Read everything; meant for a study that is done and small.

    ``start_key`` is the user attribute in which the objective noted its `Start`.
    """
    parameters = {"study_id": study_id, "start_key": start_key}
    [(taken_over,)] = run(query("evidence_taken_over"), parameters)
    trials = [_trial(row) for row in run(query("evidence_trials"), parameters)]
    attempts = [AttemptEvidence(*row) for row in run(query("evidence_attempts"), parameters)]
    return Evidence(trials, attempts, taken_over)


def _trial(row: tuple[Any, ...]) -> TrialEvidence:
    *known, start = row
    trial = TrialEvidence(*known)
    return trial if start is None else replace(trial, start=Start(**json.loads(start)))
