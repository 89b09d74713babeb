"""Population based training (Jaderberg et al. 2017, "Population Based Training of Neural Networks").

A member of the population is a chain of trials, each of which trains for one interval from the checkpoint of the
previous one. A member among the worst is replaced: its next trial starts with the checkpoint and the parameters of
one of the best (exploit), and changes some of the parameters (explore). The others continue unchanged. No member
waits: it is compared with the latest results of all others, whatever their step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from numpy.random import RandomState
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpotool.search.branches.branching import FINISHED, BranchTree, NextBranch, rank_key, root_of
from hpotool.study.branch import Branch
from hpotool.study.seeds import seed_for_trial
from hpotool.study.spec import PopulationSpec

_FACTORS = (0.8, 1.2)  # section 4.1.1 of the paper


class PopulationSampler(RandomSampler):
    """Samples the first trial of each member at random; a worker queues the later ones as branches.

    With plain ``study.optimize``, it is a random sampler, because only the database decides which trials continue.
    """

    def __init__(
        self,
        interval: int,
        *,
        seed: int | None = None,
        population_size: int = PopulationSpec.population_size,
        quantile_fraction: float = PopulationSpec.quantile_fraction,
        resample_probability: float = PopulationSpec.resample_probability,
        explore: Sequence[str] = (),
    ) -> None:
        """A population; the arguments are those of `hpotool.study.spec.PopulationSpec`."""
        super().__init__(seed=seed)
        self.population = PopulationSpec(
            interval, population_size, quantile_fraction, resample_probability, tuple(explore)
        )

    def next_branch(self, tree: BranchTree, direction: StudyDirection, study_seed: int) -> NextBranch | None:
        """The next interval of the member that has waited longest, once every member has started."""
        if sum(tree.branch_of(trial) is None for trial in tree.living) < self.population.population_size:
            return None
        ready = [trial for trial in tree.living if trial.state in FINISHED and trial.number not in tree.continued]
        if not ready:
            return None
        member = min(ready, key=_finished_at)
        rng = RandomState(seed_for_trial(study_seed, tree.size))
        source = self._source_for(member, tree, direction, rng)
        params, explored = dict(member.params), None
        reason = f"continues trial {source.number}"
        if source is not member:
            params, explored = self._explore(source, rng)
            reason += f", in the place of trial {member.number}"
            if not self.population.explore_among(source.params):
                reason += f"; it has none of {', '.join(self.population.explore)} to explore"
        before = tree.branch_of(source)
        steps = self.population.interval + (before.steps if before else self.population.interval)
        branch = Branch(member.number, source.number, root_of(source), steps, explored=explored)
        return NextBranch(branch, params, reason)

    def lineages_in_use(self, tree: BranchTree, direction: StudyDirection) -> set[int]:
        """The lineages of every member's last two results: another worker may still choose the earlier one."""
        last = _last_results(tree)
        before = {branch.source_root for branch in map(tree.branch_of, last) if branch is not None}
        return tree.lineages_of_unfinished() | {root_of(trial) for trial in last} | before

    def _source_for(
        self, member: FrozenTrial, tree: BranchTree, direction: StudyDirection, rng: RandomState
    ) -> FrozenTrial:
        """The trial to continue: truncation selection (section 4.1.1)."""
        ranked = sorted(_last_results(tree), key=lambda trial: rank_key(trial, direction))
        count = int(len(ranked) * self.population.quantile_fraction)
        worst = ranked[len(ranked) - count :]
        is_stuck = member.state != TrialState.COMPLETE or tree.has_failed_often(member)
        if member not in worst and not is_stuck:
            return member
        complete = [trial for trial in ranked if trial.state == TrialState.COMPLETE and trial is not member]
        best = complete[: max(count, 1)]
        return best[rng.randint(len(best))] if best else member

    def _explore(self, source: FrozenTrial, rng: RandomState) -> tuple[dict[str, Any], dict[str, list[Any]]]:
        params = dict(source.params)
        for name in self.population.explore_among(params):
            is_resampled = rng.uniform() < self.population.resample_probability
            distribution = source.distributions[name]
            params[name] = _draw(distribution, rng) if is_resampled else _perturb(params[name], distribution, rng)
        changed = {
            name: [source.params[name], value] for name, value in params.items() if value != source.params[name]
        }
        return params, changed


def _finished_at(trial: FrozenTrial) -> tuple[datetime, int]:
    assert trial.datetime_complete is not None, "a finished trial knows when"
    return trial.datetime_complete, trial.number


def _last_results(tree: BranchTree) -> list[FrozenTrial]:
    """The last finished trial of each member."""
    finished = [trial for trial in tree.living if trial.state in FINISHED]
    branches = [branch for branch in map(tree.branch_of, finished) if branch is not None]
    finished_after = {branch.predecessor for branch in branches}
    return [trial for trial in finished if trial.number not in finished_after]


def _draw(distribution: BaseDistribution, rng: RandomState) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[rng.randint(len(distribution.choices))]
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        return _nearest(math.exp(rng.uniform(math.log(low), math.log(high))), distribution)
    return _nearest(rng.uniform(low, high), distribution)


def _perturb(value: Any, distribution: BaseDistribution, rng: RandomState) -> Any:
    factor = _FACTORS[rng.randint(2)]
    if isinstance(distribution, CategoricalDistribution):
        return value  # choices have no order, so they can only be drawn anew
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    perturbed = _nearest(value * factor, distribution)
    if perturbed == value and distribution.step is not None:  # a fifth is less than half a step
        perturbed = _nearest(value + math.copysign(distribution.step, factor - 1), distribution)
    return perturbed


def _nearest(value: float, distribution: FloatDistribution | IntDistribution) -> float | int:
    """The value of the distribution that is nearest to ``value``."""
    step = distribution.step
    if step is not None:
        value = distribution.low + round((value - distribution.low) / step) * step
    bounded = min(max(value, distribution.low), distribution.high)
    return int(bounded) if isinstance(distribution, IntDistribution) else float(bounded)
