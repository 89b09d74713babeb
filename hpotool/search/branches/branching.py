"""For studies whose trials continue each other: which trial to queue next, and which checkpoints to keep.

There are two rules, tiers (`hpotool.search.branches.tiers`) and population based training
(`hpotool.search.branches.population`). Both depend only on the trials, so that every worker gets the same answer;
the database queues each branch once, whichever worker asks (`hpotool.storage.control.queueing.queue_branch`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpotool.study.branch import Branch

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_PATIENCE = 3  # failed branches of a trial after which another trial is preferred


@dataclass(frozen=True)
class NextBranch:
    """A trial to queue: its origin, all its parameters, and the reason for the choice."""

    branch: Branch
    params: Mapping[str, Any]
    reason: str


class BranchTree:
    """The trials of a study as a rule sees them, with their origins.

    Attributes:
        living: all trials except failed ones, in order of their numbers. A failed trial is represented by its
            retry, which inherits its branch.
            continued: the numbers of the trials that a living trial succeeds.
            size: the number of trials, so that a failed branch's random numbers are not drawn again.
    """

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        """All trials of the study, including failed ones."""
        self.size = len(trials)
        self.living = [trial for trial in trials if trial.state != TrialState.FAIL]
        self._branches = {trial.number: Branch.of(trial.system_attrs) for trial in self.living}
        self.continued = {branch.predecessor for branch in self._branches.values() if branch is not None}
        self._failures = _count_failures(trials, {root_of(trial) for trial in self.living})

    def branch_of(self, trial: FrozenTrial) -> Branch | None:
        """The origin of a living trial; None if it started from scratch."""
        return self._branches[trial.number]

    def has_failed_often(self, trial: FrozenTrial) -> bool:
        """Whether the trial's continuations failed for good several times, so it may be impossible to continue."""
        return self._failures[trial.number] >= _PATIENCE

    def lineages_of_unfinished(self) -> set[int]:
        """The lineages of unfinished trials, and those they started from: either may be needed again.

        A trial whose worker is about to tell its result is unfinished, although its checkpoint is already
        compared.
        """
        unfinished = [trial for trial in self.living if trial.state not in FINISHED]
        branches = [self.branch_of(trial) for trial in unfinished]
        return {root_of(trial) for trial in unfinished} | {
            branch.source_root for branch in branches if branch is not None
        }


def _count_failures(trials: Sequence[FrozenTrial], living_lineages: set[int]) -> Counter[int]:
    """The number of branches of each trial that failed for good."""
    dead = (t for t in trials if t.state == TrialState.FAIL and root_of(t) not in living_lineages)
    lineages = {root_of(trial): Branch.of(trial.system_attrs) for trial in dead}
    return Counter(branch.predecessor for branch in lineages.values() if branch is not None)


class BranchingRule(Protocol):
    """A rule that chooses the next trial to continue."""

    def next_branch(self, tree: BranchTree, direction: StudyDirection, study_seed: int) -> NextBranch | None:
        """The branch to queue now; None if no trial is ready to be continued."""

    def lineages_in_use(self, tree: BranchTree, direction: StudyDirection) -> set[int]:
        """The lineages whose checkpoints a branch, queued or future, may start from."""


def root_of(trial: FrozenTrial) -> int:
    """The trial's lineage, as named by Optuna's own retry callback."""
    return int(trial.system_attrs.get("failed_trial", trial.number))


def rank_key(trial: FrozenTrial, direction: StudyDirection) -> tuple[int, float, int]:
    """A sort key for finished trials, best first: feasible, infeasible, pruned; the older trial on a tie."""
    value = trial.value
    if value is None or math.isnan(value):
        return 2, math.inf, trial.number
    is_infeasible = any(violation > 0 for violation in trial.constraints.values())
    loss = -value if direction == StudyDirection.MAXIMIZE else value
    return (2 if trial.state != TrialState.COMPLETE else int(is_infeasible)), loss, trial.number
