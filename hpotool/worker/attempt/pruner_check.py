"""Warns once, after the first complete trial, if the pruner's steps do not match the objective's."""

from __future__ import annotations

import logging
from contextlib import suppress

from optuna import Trial

from hpotool.errors import DatabaseUnreachableError
from hpotool.storage.control.orders import note_pruner_mismatch
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.study.branch import has_branches
from hpotool.study.outcome import Outcome
from hpotool.study.rules.pruner_steps import find_step_mismatch
from hpotool.study.spec import StudySpec
from hpotool.worker.attempt.running_attempt import AttemptResult
from hpotool.worker.log import log_event


def read_step_mismatch(spec: StudySpec, trial: Trial, result: AttemptResult) -> str | None:
    """How the study's pruner does not match the attempt's reports; None if it does, or the trial is not complete.

    Trials that continue others (a population, tiers) are not whole trials, and are not checked.
    """
    if result.outcome is not Outcome.COMPLETE or has_branches(spec):
        return None
    steps = trial._cached_frozen_trial.intermediate_values
    return find_step_mismatch(spec.pruner, max(steps, default=None), len(steps))


class PrunerCheck:
    """A worker's check: examines the first attempt that completes a trial from its start, and warns once."""

    def __init__(self, storage: WorkerStorage, study_id: int, spec: StudySpec) -> None:
        self._storage = storage
        self._study_id = study_id
        self._spec = spec
        self._has_looked = False
        self._mismatch: str | None = None

    def look(self, trial: Trial, result: AttemptResult) -> None:
        """Examine an attempt that ran from its trial's start."""
        if not self._has_looked and result.outcome is Outcome.COMPLETE:
            self._has_looked = True
            self._mismatch = read_step_mismatch(self._spec, trial, result)

    def speak(self) -> None:
        """Log the finding, and store it with the study for ``status`` and ``events``, after the result is told."""
        if self._mismatch is None:
            return
        log_event("pruner", self._mismatch, logging.WARNING)
        with suppress(DatabaseUnreachableError), self._storage.connection.no_wait():
            note_pruner_mismatch(self._storage.run, self._study_id, self._mismatch, self._storage.worker.worker_id)
        self._mismatch = None
