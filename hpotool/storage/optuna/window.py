"""The part of a long study that a search needs: its newest trials, its best ones, and those that have not ended.

Up to `LONG` trials, a study is read whole. Beyond that, reading every trial would cost a worker minutes before its
first one, although samplers and pruners look at the newest and the best of them only. What asks for the trials
themselves (``study.trials``) still gets all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.study import StudyDirection
from optuna.study._multi_objective import _fast_non_domination_rank

from hpotool.storage.database.connection import Rows
from hpotool.storage.database.queries import query

LONG = 20_000  # trials; a study that has more is not read whole
NEWEST = 10_000  # of these, the newest that are read
BEST = 300  # and how many of the older ones, as many as TPE looks at (`hpotool.search.tpe`)

Array = np.ndarray[Any, Any]
Run = Callable[[str, Mapping[str, Any]], Rows]


@dataclass(frozen=True)
class Values:
    """The values of a study's complete trials, in order of their numbers.

    Attributes:
        values: one row for each trial, one column for each objective.
        is_feasible: whether it meets every constraint.
    """

    trial_ids: Array
    numbers: Array
    values: Array
    is_feasible: Array

    def __len__(self) -> int:
        return len(self.numbers)

    def below(self, trial_id: int) -> Values:
        """Those of trials with a lower id."""
        return self.chosen(np.flatnonzero(self.trial_ids < trial_id))

    def chosen(self, places: Array) -> Values:
        """Those at some places."""
        return Values(self.trial_ids[places], self.numbers[places], self.values[places], self.is_feasible[places])

    def joined_with(self, later: Values) -> Values:
        """Those of both."""
        if not len(self) or not len(later):
            return self if len(self) else later
        both = zip(_columns(self), _columns(later), strict=True)
        joined = Values(*(np.concatenate(columns) for columns in both))
        return joined.chosen(np.argsort(joined.numbers, kind="stable"))

    def losses(self, directions: Sequence[StudyDirection]) -> Array:
        """The values, of which lower ones are better."""
        signs = [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in directions]
        losses: Array = self.values * np.array(signs)
        return losses

    def best(self, directions: Sequence[StudyDirection], count: int) -> Array:
        """The places of the best feasible trials, the best first; of equal ones, the one that started first."""
        feasible = np.flatnonzero(self.is_feasible)
        losses = self.losses(directions)[feasible]
        if not len(feasible):
            return feasible
        several = len(directions) > 1
        rank = _fast_non_domination_rank(losses, n_below=count) if several else losses[:, 0]
        chosen: Array = feasible[np.argsort(rank, kind="stable")[:count]]
        return chosen


class StudyValues:
    """The values of a study's complete trials, kept up to date by reading only the trials that may be new."""

    def __init__(self, study_id: int, *, hides_reevaluations: bool) -> None:
        self._study_id = study_id
        self._hides_reevaluations = hides_reevaluations
        self._known: Values | None = None
        self._from_id = 0

    def refresh(self, run: Run) -> Values:
        """Read what has changed; return all."""
        # Asked first: what finishes in between is then read twice, and never missed.
        [(first_open,)] = run(query("first_open"), {"study_id": self._study_id})
        new = read_values(
            run, self._study_id, hides_reevaluations=self._hides_reevaluations, from_id=self._from_id
        )
        self._known = new if self._known is None else self._known.below(self._from_id).joined_with(new)
        self._from_id = first_open
        return self._known


def read_values(run: Run, study_id: int, *, hides_reevaluations: bool, from_id: int = 0) -> Values:
    """The values of the complete trials from an id on: a hundredth of what the trials themselves take.

    ``hides_reevaluations``: without the trials beside the search.
    """
    asked = {"study_id": study_id, "from_id": from_id, "hides_reevaluations": hides_reevaluations}
    columns = [
        (np.frombuffer(ids, ">i4"), np.frombuffer(numbers, ">i4"), np.frombuffer(values, ">f8"))
        for _, ids, numbers, values in run(query("read_values"), asked)
    ]
    if not columns:
        empty = np.empty(0, dtype=int)
        return Values(empty, empty, np.empty((0, 1)), np.empty(0, dtype=bool))
    # A trial of several objectives has a value for each, or it is not complete.
    ids = columns[0][0].astype(int)
    for others, _, _ in columns[1:]:
        ids = np.intersect1d(ids, others)
    places = [np.argsort(own, kind="stable") for own, _, _ in columns]
    found = [
        order[np.searchsorted(own, ids, sorter=order)] for order, (own, _, _) in zip(places, columns, strict=True)
    ]
    numbers = columns[0][1][found[0]].astype(int)
    values = np.stack(
        [own[place].astype(float) for place, (_, _, own) in zip(found, columns, strict=True)], axis=1
    )
    infeasible = [trial_id for (trial_id,) in run(query("read_infeasible"), asked)]
    order = np.argsort(numbers, kind="stable")
    return Values(ids[order], numbers[order], values[order], ~np.isin(ids[order], infeasible))


def read_best_ids(
    run: Run, study_id: int, directions: Sequence[StudyDirection], below_id: int, *, hides_reevaluations: bool
) -> list[int]:
    """The ids of the best trials among those with a lower id than ``below_id``.

    Those are the best feasible ones, and of a study with one objective also the best ones whether feasible or not,
    which is what Optuna calls its best trial.
    """
    known = read_values(run, study_id, hides_reevaluations=hides_reevaluations).below(below_id)
    chosen = set(known.trial_ids[known.best(directions, BEST)].tolist())
    if len(directions) == 1 and len(known):
        first = np.argsort(known.losses(directions)[:, 0], kind="stable")[:1]
        chosen |= set(known.trial_ids[first].tolist())
    return sorted(chosen)


def _columns(values: Values) -> tuple[Array, Array, Array, Array]:
    return values.trial_ids, values.numbers, values.values, values.is_feasible
