"""Population based training (Jaderberg et al. 2017, "Population Based Training of Neural Networks").

A member of the population is a chain of trials: each trains for one interval from the checkpoint of the one
before. A member among the worst is replaced: its next trial begins with the checkpoint and the parameters of one
of the best (exploit), and changes some of them (explore). The others go on as they are. Nobody waits for anybody:
a member is compared with the last results of all others, whatever step they are at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from numpy.random import RandomState
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

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
from hpotool.study.seeds import seed_for_trial
from hpotool.study.spec import PopulationSpec

_FACTORS = (0.8, 1.2)  # section 4.1.1 of the paper


class PopulationSampler(RandomSampler):
    """Draws the first trial of each member at random; a worker queues the later ones as branches.

    With plain ``study.optimize`` it is a random sampler: which trial may go on is for the database to say.
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

    def next_branch(
        self, trials: Sequence[FrozenTrial], direction: StudyDirection, study_seed: int
    ) -> NextBranch | None:
        """The next interval of the member that has waited longest, once every member has begun."""
        if sum(branch_of(trial) is None for trial in trials) < self.population.population_size:
            return None
        continued = continued_trials(trials)
        ready = [trial for trial in trials if trial.state in FINISHED and trial.number not in continued]
        if not ready:
            return None
        member = min(
            ready, key=lambda trial: (trial.datetime_complete is None, trial.datetime_complete, trial.number)
        )
        # What was drawn for a branch that failed must not be drawn again.
        rng = RandomState(seed_for_trial(study_seed, trials[-1].number + 1))
        source = self._source_for(member, _last_results(trials), direction, rng)
        if source is member:
            params, explored, reason = dict(member.params), None, f"goes on from trial {member.number}"
        else:
            params, explored = self._explore(source, rng)
            reason = f"goes on from trial {source.number}, in the place of trial {member.number}"
            if not self.population.explore_among(source.params):
                reason += f"; it has none of {', '.join(self.population.explore)} to explore"
        branch_before = branch_of(source)
        steps = self.population.interval + (branch_before.steps if branch_before else self.population.interval)
        branch = Branch(member.number, source.number, root_of(source), steps, explored=explored)
        return NextBranch(branch, params, reason)

    def lineages_in_use(self, trials: Sequence[FrozenTrial], direction: StudyDirection) -> set[int]:
        """Those of every member's last result, and of the one before: another worker may still be choosing it."""
        last = _last_results(trials)
        before = {branch.source_root for branch in map(branch_of, last) if branch is not None}
        return lineages_of_unfinished(trials) | {root_of(trial) for trial in last} | before

    def _source_for(
        self, member: FrozenTrial, results: Sequence[FrozenTrial], direction: StudyDirection, rng: RandomState
    ) -> FrozenTrial:
        """The trial to go on from: truncation selection (section 4.1.1)."""
        ranked = sorted(results, key=lambda trial: rank_key(trial, direction))
        count = int(len(ranked) * self.population.quantile_fraction)
        best = [trial for trial in ranked[: max(count, 1)] if trial.state == TrialState.COMPLETE]
        has_to_leave = member in ranked[len(ranked) - count :] or member.state != TrialState.COMPLETE
        if not has_to_leave or not best or member in best:
            return member
        return best[rng.randint(len(best))]

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


def _last_results(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The last finished trial of each member: nobody has finished after it."""
    by_number = {trial.number: trial for trial in trials}
    finished_after = {
        branch.predecessor
        for trial in trials
        if trial.state in FINISHED and (branch := branch_of(trial)) is not None
    }
    return [
        trial for number, trial in by_number.items() if trial.state in FINISHED and number not in finished_after
    ]


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
        return value  # choices have no order: they only change by being drawn anew
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    perturbed = _nearest(value * factor, distribution)
    if perturbed == value and distribution.step is not None:  # a fifth is less than half a step
        perturbed = _nearest(value + math.copysign(distribution.step, factor - 1), distribution)
    return perturbed


def _nearest(value: float, distribution: FloatDistribution | IntDistribution) -> float | int:
    """The value that the distribution has nearest to ``value``."""
    step = distribution.step
    if step is not None:
        value = distribution.low + round((value - distribution.low) / step) * step
    bounded = min(max(value, distribution.low), distribution.high)
    return int(bounded) if isinstance(distribution, IntDistribution) else float(bounded)
