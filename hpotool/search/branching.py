"""What a study needs whose trials go on from each other: which one to queue next, and what must be kept for it.

Two rules choose: tiers (`hpotool.search.tiers`) and population based training (`hpotool.search.population`). Both
are functions of the trials alone, so that every worker comes to the same answer; the database queues each branch
once, whoever asks (`hpotool.storage.queueing.queue_branch`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpotool.study.branch import Branch

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
# A failed trial is not there: its retry, which inherits the branch, stands for it, or another one takes its place.
LIVING = (*FINISHED, TrialState.RUNNING, TrialState.WAITING)


@dataclass(frozen=True)
class NextBranch:
    """A trial to queue: where it comes from, all its parameters, and why it is this one."""

    branch: Branch
    params: Mapping[str, Any]
    reason: str


class BranchingRule(Protocol):
    """Chooses among the living trials of a study, in the order of their numbers."""

    def next_branch(
        self, trials: Sequence[FrozenTrial], direction: StudyDirection, study_seed: int
    ) -> NextBranch | None:
        """The branch to queue now; None: nothing is ready to go on."""

    def lineages_in_use(self, trials: Sequence[FrozenTrial], direction: StudyDirection) -> set[int]:
        """The lineages whose checkpoints some branch, queued or still to come, begins with."""


def branch_of(trial: FrozenTrial) -> Branch | None:
    """Where the trial came from; None: it began by itself."""
    return Branch.of(trial.system_attrs)


def root_of(trial: FrozenTrial) -> int:
    """The trial's lineage, as Optuna's own retry callback names it."""
    return int(trial.system_attrs.get("failed_trial", trial.number))


def continued_trials(trials: Sequence[FrozenTrial]) -> set[int]:
    """The numbers of the trials that another one has taken the place of."""
    return {branch.predecessor for branch in map(branch_of, trials) if branch is not None}


def rank_key(trial: FrozenTrial, direction: StudyDirection) -> tuple[int, float, int]:
    """What sorts finished trials, the best first: feasible before infeasible before pruned; the older on a tie."""
    value = trial.value
    if value is None or math.isnan(value):
        return 2, math.inf, trial.number
    is_infeasible = any(violation > 0 for violation in trial.constraints.values())
    loss = -value if direction == StudyDirection.MAXIMIZE else value
    return (2 if trial.state != TrialState.COMPLETE else int(is_infeasible)), loss, trial.number


def lineages_of_unfinished(trials: Sequence[FrozenTrial]) -> set[int]:
    """The lineages of trials that have not finished, and those that they began with: either may be needed again.

    A trial whose worker is just telling its result has not finished, while its checkpoint is already compared.
    """
    unfinished = [trial for trial in trials if trial.state not in FINISHED]
    sources = {branch.source_root for branch in map(branch_of, unfinished) if branch is not None}
    return {root_of(trial) for trial in unfinished} | sources
