"""Tiers: many cheap trials first, then more steps for the best of them.

A tier begins when every trial of the one before has begun, and waits for none: of ``n`` finished trials of a tier
with ``m`` places, the best ``n / m`` of the next tier's places may go on. That is the promotion of asynchronous
successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", algorithm 2), with
tiers of given sizes: no worker waits for the slowest trial, and when the last has finished every place is filled.
"""

from __future__ import annotations

from collections.abc import Sequence

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from hpotool.search.branching import (
    FINISHED,
    NextBranch,
    branch_of,
    continued_trials,
    lineages_of_unfinished,
    rank_key,
    root_of,
)
from hpotool.study.branch import Branch
from hpotool.study.spec import TierSpec


class Tiers:
    """Promotes the best trials of each tier to the next one."""

    def __init__(self, tiers: Sequence[TierSpec]) -> None:
        self._tiers = tuple(tiers)

    def next_branch(
        self, trials: Sequence[FrozenTrial], direction: StudyDirection, study_seed: int
    ) -> NextBranch | None:
        """The best trial that may go on, of the highest tier that has one. The same for every seed."""
        for tier in range(len(self._tiers) - 1, 0, -1):
            promoted = self._find_promotable(tier, trials, direction)
            if promoted is not None:
                branch = Branch(
                    predecessor=promoted.number,
                    source=promoted.number,
                    source_root=root_of(promoted),
                    steps=self._tiers[tier].steps,
                    tier=tier,
                )
                return NextBranch(branch, promoted.params, f"trial {promoted.number} goes on in tier {tier + 1}")
        return None

    def lineages_in_use(self, trials: Sequence[FrozenTrial], direction: StudyDirection) -> set[int]:
        """Those of every trial that may still be promoted: a rank only gets worse while others finish."""
        in_use = lineages_of_unfinished(trials)
        for tier in range(1, len(self._tiers)):
            finished = sorted(_finished_in(tier - 1, trials), key=lambda trial: rank_key(trial, direction))
            in_use |= {root_of(trial) for trial in finished[: self._tiers[tier].trials]}
        return in_use

    def _find_promotable(
        self, tier: int, trials: Sequence[FrozenTrial], direction: StudyDirection
    ) -> FrozenTrial | None:
        places = self._tiers[tier - 1].trials
        if sum(_tier_of(trial) == tier - 1 for trial in trials) < places:
            return None
        finished = sorted(_finished_in(tier - 1, trials), key=lambda trial: rank_key(trial, direction))
        allowed = self._tiers[tier].trials * len(finished) // places
        if sum(_tier_of(trial) == tier for trial in trials) >= min(allowed, self._tiers[tier].trials):
            return None
        continued = continued_trials(trials)
        return next((trial for trial in finished[:allowed] if trial.number not in continued), None)


def _tier_of(trial: FrozenTrial) -> int:
    branch = branch_of(trial)
    return 0 if branch is None or branch.tier is None else branch.tier


def _finished_in(tier: int, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state in FINISHED and _tier_of(trial) == tier]
