from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpotool.search.branches.branching import BranchTree, NextBranch
from hpotool.search.branches.population import PopulationSampler
from hpotool.study.branch import Branch
from tests.unit.search.branches.branching import run_fleet, trial

MINIMIZE = StudyDirection.MINIMIZE


def population(**arguments: Any) -> PopulationSampler:
    return PopulationSampler(**{"interval": 5, "population_size": 4, "resample_probability": 0.0} | arguments)


def next_of(trials: Sequence[FrozenTrial], seed: int = 1, **arguments: Any) -> NextBranch:
    found = population(**arguments).next_branch(BranchTree(trials), MINIMIZE, seed)
    assert found is not None
    return found


def test_nobody_goes_on_before_every_member_has_begun() -> None:
    begun = [trial(0, 1.0), trial(1, 2.0), trial(2, 3.0)]
    assert population().next_branch(BranchTree(begun), MINIMIZE, 1) is None
    assert next_of([*begun, trial(3)]).branch == Branch(0, 0, 0, 10)


def test_the_worst_member_goes_on_from_the_best_with_other_parameters() -> None:
    trials = [trial(0, 9.0), trial(1, 1.0, params={"lr": 0.1}), trial(2, 3.0), trial(3, 4.0)]
    found = next_of(trials)
    assert (found.branch.predecessor, found.branch.source, found.branch.steps) == (0, 1, 10)
    assert found.params["lr"] in (pytest.approx(0.08), pytest.approx(0.12))
    assert found.branch.explored == {"lr": [0.1, found.params["lr"]]}
    assert found.reason == "continues trial 1, in the place of trial 0"


def test_the_others_go_on_as_they_are() -> None:
    trials = [trial(0, 3.0), trial(1, 1.0), trial(2, 9.0), trial(3, 4.0)]
    found = next_of(trials)
    assert found.branch == Branch(0, 0, 0, 10)
    assert found.params == trials[0].params


def test_the_member_that_waited_longest_goes_first_and_each_only_once() -> None:
    trials = [trial(0, 1.0), trial(1, 2.0), trial(2, 3.0), trial(3, 4.0), trial(4, branch=Branch(0, 0, 0, 10))]
    assert next_of(trials).branch.predecessor == 1


def test_a_member_that_runs_counts_with_its_last_result() -> None:
    """Trial 0, the best, trains on as trial 4: who is replaced still finds it."""
    running = trial(4, branch=Branch(0, 0, 0, 10))
    trials = [trial(0, 1.0), trial(1, 9.0), trial(2, 3.0), trial(3, 4.0), running]
    assert next_of(trials).branch.source == 0


def test_steps_are_counted_from_the_beginning_of_the_source() -> None:
    ahead = trial(4, 0.5, branch=Branch(0, 0, 0, 10))
    trials = [trial(0, 1.0), trial(1, 9.0), trial(2, 3.0), trial(3, 4.0), ahead]
    assert next_of(trials).branch == Branch(1, 4, 4, 15, explored=next_of(trials).branch.explored)


def test_a_pruned_member_has_to_leave_even_when_a_quantile_is_less_than_one() -> None:
    trials = [trial(0, state=TrialState.PRUNED), trial(1, 1.0), trial(2), trial(3)]
    assert next_of(trials).branch.source == 1


def test_a_member_that_cannot_be_gone_on_from_has_to_leave_even_if_it_is_the_best() -> None:
    trials = [trial(0, 1.0), trial(1, 2.0), trial(2, 3.0), trial(3, 4.0)]
    for number in range(4, 7):
        assert next_of(trials).branch == Branch(0, 0, 0, 10)
        trials.append(trial(number, None, Branch(0, 0, 0, 10), TrialState.FAIL))
    assert (next_of(trials).branch.predecessor, next_of(trials).branch.source) == (0, 1)


def test_only_parameters_to_explore_change() -> None:
    space = {"lr": FloatDistribution(1e-4, 1.0, log=True), "width": IntDistribution(1, 100)}
    params = {"lr": 0.1, "width": 50}
    trials = [trial(number, float(9 - number), params=params, space=space) for number in range(4)]
    assert next_of(trials, explore=("lr",)).params["width"] == 50
    assert next_of(trials).params["width"] in (40, 60)


def test_a_name_that_no_trial_has_is_told_in_the_reason() -> None:
    trials = [trial(0, 9.0), trial(1, 1.0), trial(2, 3.0), trial(3, 4.0)]
    found = next_of(trials, explore=("learning_rate",))
    assert found.branch.explored == {}
    assert found.reason.endswith("; it has none of learning_rate to explore")


def test_a_branch_that_failed_is_drawn_anew() -> None:
    trials = [trial(0, 9.0), trial(1, 1.0), trial(2, 3.0), trial(3, 4.0)]
    failed = next_of(trials, resample_probability=1.0)
    again = next_of([*trials, trial(5, branch=Branch(1, 1, 1, 10))], resample_probability=1.0)
    assert failed.branch.predecessor == again.branch.predecessor == 0
    assert failed.params != again.params


def test_the_same_trials_give_the_same_branch_on_every_worker() -> None:
    trials = [trial(0, 9.0), trial(1, 1.0), trial(2, 3.0), trial(3, 4.0)]
    assert next_of(trials, resample_probability=0.5) == next_of(trials, resample_probability=0.5)
    assert next_of(trials, resample_probability=1.0).params != next_of(trials, 2, resample_probability=1.0).params


@given(
    st.sampled_from(
        [
            FloatDistribution(0.0, 0.5),
            FloatDistribution(-1.0, 1.0, step=0.25),
            FloatDistribution(1e-5, 1.0, log=True),
            IntDistribution(1, 4),
            IntDistribution(2, 20, step=3),
            IntDistribution(1, 1024, log=True),
            CategoricalDistribution(["a", None, 3]),
        ]
    ),
    st.integers(0, 10**6),
    st.sampled_from([0.0, 1.0]),
)
def test_what_is_explored_stays_in_its_range(distribution: BaseDistribution, seed: int, resample: float) -> None:
    low = getattr(distribution, "low", "a")
    high = getattr(distribution, "high", None)
    for value in (low, high):
        trials = [
            trial(number, float(9 - number), params={"p": value}, space={"p": distribution}) for number in range(4)
        ]
        explored = next_of(trials, seed, resample_probability=resample).params["p"]
        assert distribution._contains(distribution.to_internal_repr(explored))


def test_a_small_integer_moves_although_a_fifth_of_it_is_nothing() -> None:
    space = {"layers": IntDistribution(1, 4)}
    trials = [trial(number, float(9 - number), params={"layers": 2}, space=space) for number in range(4)]
    assert {next_of(trials, seed).params["layers"] for seed in range(20)} == {1, 3}


@pytest.mark.parametrize("workers", [1, 3, 4, 9])
def test_every_member_trains_on_and_the_budget_is_kept(workers: int) -> None:
    trials = run_fleet(population(), 40, 36, workers, lambda number: float(number * 7 % 11))
    began = [one for one in trials if Branch.of(one.system_attrs) is None]
    successors = Counter(branch.predecessor for one in trials if (branch := Branch.of(one.system_attrs)))
    assert (len(trials), len(began)) == (40, 4)
    assert set(successors.values()) == {1}


def test_checkpoints_stay_of_every_member_and_of_what_it_came_from() -> None:
    trials = [trial(0, 1.0), trial(1, 2.0), trial(2, 3.0), trial(3, 4.0)]
    trials += [
        trial(4, 0.5, Branch(0, 0, 0, 10)),
        trial(5, 0.4, Branch(4, 4, 4, 15)),
        trial(6, None, Branch(3, 1, 1, 10)),
    ]
    assert population().lineages_in_use(BranchTree(trials), MINIMIZE) == {4, 5, 1, 2, 3, 6}
