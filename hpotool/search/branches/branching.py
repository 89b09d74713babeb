"""What a study needs whose trials go on from each other: which one to queue next, and what must be kept for it.

Two rules choose, tiers (`hpotool.search.branches.tiers`) and population based training
(`hpotool.search.branches.population`). Both are functions of the trials alone, so that every worker comes to the
same answer; the database queues each branch once, whoever asks (`hpotool.storage.control.queueing.queue_branch`).
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
_PATIENCE = 3  # branches of one trial that fail before another trial is preferred to it


@dataclass(frozen=True)
class NextBranch:
    """A trial to queue: where it comes from, all its parameters, and why it is this one."""

    branch: Branch
    params: Mapping[str, Any]
    reason: str


class BranchTree:
    """The trials of a study as a rule sees them, and which came from which.

    Attributes:
        living: all but those that failed, in the order of their numbers. The retry of a failed trial, which
            inherits its branch, stands for it.
        continued: the numbers of the trials that a living one has taken the place of.
        size: how many trials there are, so that what was drawn for a branch that failed is not drawn again.
    """

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        """All trials of the study, those that failed included."""
        self.size = len(trials)
        self.living = [trial for trial in trials if trial.state != TrialState.FAIL]
        self._branches = {trial.number: Branch.of(trial.system_attrs) for trial in self.living}
        self.continued = {branch.predecessor for branch in self._branches.values() if branch is not None}
        self._failures = _count_failures(trials, {root_of(trial) for trial in self.living})

    def branch_of(self, trial: FrozenTrial) -> Branch | None:
        """Where a living trial came from; None: it began by itself."""
        return self._branches[trial.number]

    def has_failed_often(self, trial: FrozenTrial) -> bool:
        """Whether what went on from it failed for good again and again: there may be no going on from it."""
        return self._failures[trial.number] >= _PATIENCE

    def lineages_of_unfinished(self) -> set[int]:
        """The lineages of trials that have not finished, and those they began with: either may be needed again.

        A trial whose worker is just telling its result has not finished, while its checkpoint is already compared.
        """
        unfinished = [trial for trial in self.living if trial.state not in FINISHED]
        branches = [self.branch_of(trial) for trial in unfinished]
        return {root_of(trial) for trial in unfinished} | {
            branch.source_root for branch in branches if branch is not None
        }


def _count_failures(trials: Sequence[FrozenTrial], living_lineages: set[int]) -> Counter[int]:
    """How many branches of each trial failed for good."""
    dead = (t for t in trials if t.state == TrialState.FAIL and root_of(t) not in living_lineages)
    lineages = {root_of(trial): Branch.of(trial.system_attrs) for trial in dead}
    return Counter(branch.predecessor for branch in lineages.values() if branch is not None)


class BranchingRule(Protocol):
    """Chooses which trial another one goes on from next."""

    def next_branch(self, tree: BranchTree, direction: StudyDirection, study_seed: int) -> NextBranch | None:
        """The branch to queue now; None: nothing is ready to go on."""

    def lineages_in_use(self, tree: BranchTree, direction: StudyDirection) -> set[int]:
        """The lineages whose checkpoints some branch, queued or still to come, begins with."""


def root_of(trial: FrozenTrial) -> int:
    """The trial's lineage, as Optuna's own retry callback names it."""
    return int(trial.system_attrs.get("failed_trial", trial.number))


def rank_key(trial: FrozenTrial, direction: StudyDirection) -> tuple[int, float, int]:
    """What sorts finished trials, the best first: feasible before infeasible before pruned; the older on a tie."""
    value = trial.value
    if value is None or math.isnan(value):
        return 2, math.inf, trial.number
    is_infeasible = any(violation > 0 for violation in trial.constraints.values())
    loss = -value if direction == StudyDirection.MAXIMIZE else value
    return (2 if trial.state != TrialState.COMPLETE else int(is_infeasible)), loss, trial.number
