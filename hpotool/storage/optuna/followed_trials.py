"""Reads for those who follow a study: samplers, pruners, and screens. Their cost does not grow with the study."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from hpotool.storage.database.connection import Parameters, Rows
from hpotool.storage.optuna.stored_trial import StoredTrial
from hpotool.storage.optuna.trial_memory import TrialLog, TrialMemory
from hpotool.storage.optuna.window import StudyValues, Values


class FollowedTrials:
    """The part of a storage that is read again and again. All are as current as other reads from memory."""

    _memory: TrialMemory
    _values: dict[int, StudyValues]
    hides_reevaluations: bool

    @abstractmethod
    def run_with_pending(self, sql: str, params: Parameters = ()) -> Rows:
        """Run one statement; return its rows."""

    def get_recent_trials(self, study_id: int) -> list[FrozenTrial]:
        """The trials that a search looks at, by number: all, or a long study's newest and best ones (`window`).

        They are shared, so do not change them.
        """
        self.refresh_for_search(study_id)
        return self._memory.select(study_id, None)

    def follow(self, study_id: int, *, with_steps: bool = False) -> TrialLog:
        """The same as a log, for a reader that keeps tables of it.

        ``with_steps``: the reader will need the intermediate values of all these trials.
        """
        history = self._memory.history(study_id)
        history.wants_steps |= with_steps and history.is_loaded
        self.refresh_for_search(study_id)
        return self._memory.log(study_id)

    def refresh_for_search(self, study_id: int) -> None:
        """Read what has changed, unless memory is fresh enough."""
        if not self._memory.is_fresh(self._memory.history(study_id)):
            self._memory.refresh(study_id, whole=False)

    def is_long(self, study_id: int) -> bool:
        """Whether the study is so long that it is not read whole, unless somebody asks for all trials."""
        return self._memory.is_long(study_id)

    def read_values(self, study_id: int) -> Values:
        """The values of all complete trials, up to date; read again and again, only what is new."""
        values = self._values.setdefault(
            study_id, StudyValues(study_id, hides_reevaluations=self.hides_reevaluations)
        )
        return values.refresh(self.run_with_pending)

    def get_numbered(self, study_id: int, numbers: Sequence[int]) -> list[FrozenTrial]:
        """The finished trials with these numbers, in that order; those of others are left out."""
        return self._memory.read_numbered(study_id, numbers)

    def step_columns(self, trials: Sequence[StoredTrial]) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
        """Intermediate values of finished trials by step, in no particular order. A step may occur repeatedly."""
        return self._memory.step_columns(trials)

    def load_steps(self, trials: Sequence[StoredTrial]) -> None:
        """Read the intermediate values of finished trials that are not in memory yet, all at once."""
        self._memory.load_steps_of([trial for trial in trials if trial._steps is None])
