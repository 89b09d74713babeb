"""This process's copy of a study's trials: read once, then updated with changes only.

Promise: no trial is missed, whatever the order in which other transactions commit. A study's trials are created
under the study's row lock, so their ids become visible in order. If a trial was written without that lock, its
number is missing from the sequence 0, 1, 2, … and is asked for until it appears. Finished trials never change; the
others are read again by id.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Container, Iterable

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from hpotool.storage.optuna.stored_trial import StoredTrial
from hpotool.study.phase import is_reevaluation

# More than this are missing only if trials were deleted by hand: then only the newest are looked for.
_MOST_MISSING = 1_000


def _number(trial: FrozenTrial) -> int:
    return trial._number


def reevaluates(trial: FrozenTrial) -> bool:
    """Whether it is no trial of the search. Of a finished one nothing is decoded for it."""
    return is_reevaluation(trial.system_attributes.keys if isinstance(trial, StoredTrial) else trial._system_attrs)


class StudyHistory:
    """The trials of one study. Not thread-safe: the storage holds its lock around every use.

    ``hides_reevaluations``: of re-evaluations it knows no more than that their numbers are taken.

    ``whole_from`` is the number from which on it has every trial. It is 0 unless the study is so long that only
    its newest trials and its best ones were read (`hpotool.storage.optuna.window`).
    """

    def __init__(self, study_id: int, *, hides_reevaluations: bool = False) -> None:
        self.study_id = study_id
        self._hides_reevaluations = hides_reevaluations
        self.is_loaded = False
        self.whole_from = 0
        self.wants_steps = False  # a reader follows the intermediate values: read them with new trials
        self.fresh_until = 0.0
        self.distributions: dict[str, BaseDistribution] = {}
        self.trials: list[FrozenTrial] = []  # by number
        self.finished: list[StoredTrial] = []  # in the order in which this process learned of them
        self.running: set[int] = set()
        self.waiting: set[int] = set()
        self.reread: set[int] = set()  # WAITING, but changed by this process
        self.read_up_to = -1  # the highest id read so far
        self._missing: set[int] = set()  # numbers below the highest that no known trial has
        self._next_number = 0
        self._by_id: dict[int, FrozenTrial] = {}
        self._described: dict[str, BaseDistribution] = {}  # the ones checked last
        self._lowest: StoredTrial | None = None
        self._highest: StoredTrial | None = None

    def __contains__(self, trial_id: int) -> bool:
        return trial_id in self._by_id

    @property
    def is_whole(self) -> bool:
        """Whether all trials were read."""
        return self.is_loaded and self.whole_from == 0

    def begin_at(self, number: int) -> None:
        """Before anything is read: trials below this number are not missed."""
        self.whole_from = self._next_number = number

    def find(self, trial_id: int) -> FrozenTrial | None:
        """The trial, as last seen."""
        return self._by_id.get(trial_id)

    def position(self, trial: FrozenTrial) -> int:
        """The trial's position in ``trials``."""
        if trial._number < len(self.trials) and self.trials[trial._number]._trial_id == trial._trial_id:
            return trial._number
        position = bisect_left(self.trials, trial._number, key=_number)
        while (
            self.trials[position]._trial_id != trial._trial_id
        ):  # two trials with one number: an error of some other program
            position += 1
        return position

    def put(self, trial: FrozenTrial) -> None:
        """Add or update a trial that was read or written. A trial known to be finished is not changed."""
        known = self._by_id.get(trial._trial_id)
        if known is not None and known.state.is_finished():
            return
        self._count(trial._number)
        if self._hides_reevaluations and reevaluates(trial):
            return
        self._by_id[trial._trial_id] = trial
        if known is not None:
            self.trials[self.position(known)] = trial
        elif not self.trials or trial._number > self.trials[-1]._number:
            self.trials.append(trial)
        else:
            insort(self.trials, trial, key=_number)
        self._sort_by_state(trial)
        # Trials with the same parameters share one dict of distributions.
        if trial._distributions is not self._described:
            self._described = trial._distributions
            self.distributions = {**trial._distributions, **self.distributions}

    def missing_numbers(self) -> list[int]:
        """Numbers that should exist but have not been seen yet."""
        return sorted(self._missing)[-_MOST_MISSING:]

    def best(self, *, maximize: bool) -> StoredTrial | None:
        """The complete trial with the best first value; among equals, the one seen first."""
        return self._highest if maximize else self._lowest

    def with_numbers(self, numbers: Iterable[int]) -> dict[int, FrozenTrial]:
        """Those of these trials that are known to be finished, by number."""
        found = {}
        for number in numbers:
            place = bisect_left(self.trials, number, key=_number)
            if place < len(self.trials) and self.trials[place]._number == number:
                found[number] = self.trials[place]
        return {number: trial for number, trial in found.items() if trial.state.is_finished()}

    def select(self, states: Container[TrialState] | None) -> list[FrozenTrial]:
        """The trials in these states, by number."""
        if states is None:
            return list(self.trials)
        if not any(state in states for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)):
            unfinished: Iterable[FrozenTrial] = (self._by_id[i] for i in self.running | self.waiting)
            return sorted((trial for trial in unfinished if trial.state in states), key=_number)
        return [trial for trial in self.trials if trial.state in states]

    def _count(self, number: int) -> None:
        if number >= self._next_number:
            self._missing.update(range(self._next_number, number))
            self._next_number = number + 1
        else:
            self._missing.discard(number)

    def _sort_by_state(self, trial: FrozenTrial) -> None:
        trial_id = trial._trial_id
        self.running.discard(trial_id)
        self.waiting.discard(trial_id)
        if trial.state == TrialState.RUNNING:
            self.running.add(trial_id)
        elif trial.state == TrialState.WAITING:
            self.waiting.add(trial_id)
        elif isinstance(trial, StoredTrial):
            self.finished.append(trial)
            if trial.state == TrialState.COMPLETE and trial._values:
                self._compare_with_best(trial, trial._values[0])

    def _compare_with_best(self, trial: StoredTrial, value: float) -> None:
        if self._lowest is None or value < (self._lowest._values or [value])[0]:
            self._lowest = trial
        if self._highest is None or value > (self._highest._values or [value])[0]:
            self._highest = trial
