"""A grid and a brute force: every point has run when nothing is left, whatever happened on the way."""

import random
from collections import Counter
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpotool.search.every_point import WholeGrid, WholeTree, has_open_trials

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

GRID = {"n": [0, 1, 2], "x": [0.1, 0.2, 0.30000000000000004], "flag": [True, False]}
RETRIED = "failed_trial"


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "n": trial.suggest_int("n", 0, 2),
        "x": trial.suggest_float("x", 0.0, 1.0),
        "flag": trial.suggest_categorical("flag", [True, False]),
    }


def run_to_the_end(study: optuna.Study, sampler: WholeGrid | WholeTree, seed: int, suggest_all: Any) -> None:
    """Workers of one process: up to four trials open at a time, a third of them failing, some tried again."""
    luck = random.Random(seed)
    running: list[optuna.Trial] = []
    for _ in range(1000):
        trials = study.get_trials(deepcopy=False)
        may_begin = sampler.count_points_left(trials) != 0 or any(t.state == TrialState.WAITING for t in trials)
        if may_begin and len(running) < luck.randint(1, 4):
            running.append(study.ask())
            suggest_all(running[-1])
        elif running:
            trial = running.pop(luck.randrange(len(running)))
            fails = luck.random() < 0.3
            study.tell(trial, state=TrialState.FAIL) if fails else study.tell(trial, 1.0)
            if fails and luck.random() < 0.5:
                root = trial._cached_frozen_trial.system_attrs.get(RETRIED, trial.number)
                study.add_trial(
                    create_trial(
                        state=TrialState.WAITING,
                        params=trial.params,
                        distributions=trial.distributions,
                        system_attrs={RETRIED: root},
                    )
                )
        elif not has_open_trials(trials):
            return
    raise AssertionError("it does not come to an end")


def lineages(study: optuna.Study) -> Counter[str]:
    firsts = [trial for trial in study.trials if RETRIED not in trial.system_attrs]
    return Counter(repr(sorted(trial.params.items())) for trial in firsts)


@pytest.mark.parametrize("seed", range(12))
def test_every_grid_point_runs_once_with_queued_points_failures_and_retries(seed: int) -> None:
    sampler = WholeGrid(GRID, seed=seed)
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial({"n": 1, "x": 0.3, "flag": True})  # the grid's own, written as people write it
    study.enqueue_trial({"n": 2})  # the rest is the grid's
    study.enqueue_trial({"n": 0, "x": 0.77, "flag": True})  # outside of it
    run_to_the_end(study, sampler, seed, suggest)
    found = lineages(study)
    assert set(found.values()) == {1}
    assert len(found) == 18 + 1


def test_a_grid_in_order_is_optunas() -> None:
    def points(sampler: optuna.samplers.BaseSampler) -> list[Any]:
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: len(suggest(trial)), n_trials=18)
        return [trial.params for trial in study.trials]

    assert points(WholeGrid(GRID, seed=3)) == points(optuna.samplers.GridSampler(GRID, seed=3))


def test_workers_that_claim_together_take_different_points() -> None:
    study = optuna.create_study(sampler=WholeGrid(GRID, seed=1))
    asked = [study.ask() for _ in range(18)]  # none has written a parameter when the next one asks
    assert len({repr(suggest(trial)) for trial in asked}) == 18


def test_a_trial_that_failed_before_it_had_parameters_leaves_its_point_to_others() -> None:
    sampler = WholeGrid(GRID, seed=1)
    study = optuna.create_study(sampler=sampler)
    study.tell(study.ask(), state=TrialState.FAIL)
    run_to_the_end(study, sampler, 1, suggest)
    assert len({point for point in lineages(study) if point != "[]"}) == 18


def of_one_parameter(trial: optuna.Trial) -> int:
    """A tree: b has a child only below a == 1."""
    a = trial.suggest_int("a", 0, 2)
    return trial.suggest_int("b", 0, 3) if a == 1 else a


@pytest.mark.parametrize("seed", range(6))
def test_every_branch_of_a_brute_force_runs(seed: int) -> None:
    sampler = WholeTree(seed=seed)
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial({"a": 2})
    run_to_the_end(study, sampler, seed, of_one_parameter)
    points = {tuple(trial.params.values()) for trial in study.trials}
    assert points == {(0,), (2,), *((1, b) for b in range(4))}


def test_a_branch_that_died_half_way_is_gone_through_all_the_same() -> None:
    sampler = WholeTree(seed=2)
    study = optuna.create_study(sampler=sampler)
    halfway = study.ask()
    study.tell(study.ask(), state=TrialState.FAIL)  # before its first parameter
    halfway.suggest_int("a", 0, 2)
    study.tell(halfway, state=TrialState.FAIL)
    study.enqueue_trial({"a": 1})
    run_to_the_end(study, sampler, 2, of_one_parameter)
    assert {tuple(t.params.values()) for t in study.trials} >= {(1, b) for b in range(4)}


def test_an_objective_without_parameters_has_one_point() -> None:
    done = create_trial(state=TrialState.COMPLETE, value=1.0)
    trials: list[FrozenTrial] = [done]
    assert WholeTree().count_points_left(trials) == 0
