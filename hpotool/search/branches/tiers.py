"""Tiers: many short trials first, then more steps for the best of them.

A tier starts when every trial of the previous tier has started, and opens in proportion to the trials that have
finished there: with ``n`` of ``m`` trials finished, the share ``n / m`` of the next tier is open to the best.
This is the promotion of asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel
Hyperparameter Tuning", algorithm 2) with tiers of given sizes: no worker waits for the slowest trial, and once
the last has finished, the whole next tier is open.
"""

from __future__ import annotations

from collections.abc import Sequence

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from hpotool.search.branches.branching import FINISHED, BranchTree, NextBranch, rank_key, root_of
from hpotool.study.branch import Branch
from hpotool.study.spec import TierSpec


class Tiers:
    """Promotes the best trials of each tier to the next one."""

    def __init__(self, tiers: Sequence[TierSpec]) -> None:
        self._tiers = tuple(tiers)

    def next_branch(self, tree: BranchTree, direction: StudyDirection, study_seed: int) -> NextBranch | None:
        """The best trial that may continue, in the highest tier that has one. The same for every seed."""
        for tier in range(len(self._tiers) - 1, 0, -1):
            promoted = self._find_promotable(tier, tree, direction)
            if promoted is not None:
                branch = Branch(
                    predecessor=promoted.number,
                    source=promoted.number,
                    source_root=root_of(promoted),
                    steps=self._tiers[tier].steps,
                    tier=tier,
                )
                return NextBranch(branch, promoted.params, f"trial {promoted.number} continues in tier {tier + 1}")
        return None

    def lineages_in_use(self, tree: BranchTree, direction: StudyDirection) -> set[int]:
        """The lineages of all trials that may still be promoted; ranks can only get worse as others finish."""
        in_use = tree.lineages_of_unfinished()
        for tier in range(1, len(self._tiers)):
            finished = _finished_in(tier - 1, tree, direction)
            in_use |= {root_of(trial) for trial in finished[: self._tiers[tier].trials]}
        return in_use

    def _find_promotable(self, tier: int, tree: BranchTree, direction: StudyDirection) -> FrozenTrial | None:
        places = self._tiers[tier - 1].trials
        if _count_in(tier - 1, tree) < places:
            return None
        finished = _finished_in(tier - 1, tree, direction)
        allowed = self._tiers[tier].trials * len(finished) // places
        if _count_in(tier, tree) >= min(allowed, self._tiers[tier].trials):
            return None
        waiting = [trial for trial in finished if trial.number not in tree.continued]
        # If continuing a trial fails repeatedly, prefer another one, if there is any.
        return min(waiting, key=tree.has_failed_often, default=None)


def _tier_of(trial: FrozenTrial, tree: BranchTree) -> int:
    branch = tree.branch_of(trial)
    return 0 if branch is None or branch.tier is None else branch.tier


def _count_in(tier: int, tree: BranchTree) -> int:
    return sum(_tier_of(trial, tree) == tier for trial in tree.living)


def _finished_in(tier: int, tree: BranchTree, direction: StudyDirection) -> list[FrozenTrial]:
    """The tier's finished trials, best first."""
    finished = [trial for trial in tree.living if trial.state in FINISHED and _tier_of(trial, tree) == tier]
    return sorted(finished, key=lambda trial: rank_key(trial, direction))
