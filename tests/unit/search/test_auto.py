from __future__ import annotations

import math

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpotool.search import auto
from hpotool.search.auto import AutoSampler, compressed_losses


def bowl(trial: optuna.Trial) -> float:
    x = [trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(4)]
    kind = trial.suggest_categorical("kind", ["good", "bad", None])
    width = trial.suggest_int("width", 1, 64, log=True)
    return sum((value - 0.3) ** 2 for value in x) + 0.3 * (kind != "good") + abs(math.log2(width) - 3) / 8


def study_with(sampler: optuna.samplers.BaseSampler, **settings: object) -> optuna.Study:
    return optuna.create_study(sampler=sampler, **settings)  # type: ignore[arg-type]


def test_it_finds_the_bottom_of_a_mixed_bowl_that_random_search_does_not() -> None:
    study = study_with(AutoSampler(seed=0))
    study.optimize(bowl, n_trials=40)
    random = study_with(optuna.samplers.RandomSampler(seed=0))
    random.optimize(bowl, n_trials=40)
    assert study.best_value < random.best_value / 2


def test_the_direction_is_respected() -> None:
    study = study_with(AutoSampler(seed=1), direction="maximize")
    study.optimize(lambda trial: -bowl(trial), n_trials=40)
    assert study.best_value > -0.15


def test_the_same_seed_proposes_the_same_trials() -> None:
    runs = []
    for _ in range(2):
        study = study_with(AutoSampler(seed=7))
        study.optimize(bowl, n_trials=14)
        runs.append([trial.params for trial in study.trials])
    assert runs[0] == runs[1]


def test_nobody_is_sent_where_somebody_measures_already() -> None:
    study = study_with(AutoSampler(seed=3))
    study.optimize(bowl, n_trials=12)
    proposals = []
    for _ in range(8):  # eight workers ask, none has an answer yet
        trial = study.ask()
        bowl(trial)
        proposals.append([trial.params[f"x{i}"] for i in range(4)])
    distances = [np.linalg.norm(np.subtract(a, b)) for i, a in enumerate(proposals) for b in proposals[:i]]
    assert min(distances) > 1e-3


def test_in_a_discrete_space_every_point_is_tried_before_any_is_tried_again() -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.suggest_int("constant", 1, 1)
        return abs(trial.suggest_int("n", 0, 9) - 7) + float(trial.suggest_categorical("c", [0, 1, 2]))

    study = study_with(AutoSampler(seed=2, n_startup_trials=4))
    study.optimize(objective, n_trials=30)
    assert len({tuple(trial.params.items()) for trial in study.trials}) == 30
    study.optimize(objective, n_trials=4)  # all points are taken by now: it still proposes


def test_a_choice_is_taken_again_where_other_parameters_hang_on_it() -> None:
    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["a", "b", "c"])
        return "cab".index(kind) + trial.suggest_float(f"of_{kind}", 0.0, 0.5)

    study = study_with(AutoSampler(seed=1, n_startup_trials=6))
    study.optimize(objective, n_trials=26)
    chosen = [trial.params["kind"] for trial in study.trials[6::2]]  # the others are TPE's
    assert chosen.count("c") > 6


def test_under_noise_the_luckiest_measurement_is_not_what_is_to_be_beaten(monkeypatch: pytest.MonkeyPatch) -> None:
    lucky, asked = 0.9, {}
    study = study_with(AutoSampler(seed=0))
    rng = np.random.RandomState(0)
    for x in np.append(rng.uniform(size=61), lucky):
        value = -0.5 if x == lucky else 4 * (x - 0.3) ** 2 + 0.1 * rng.normal()
        study.add_trial(create_trial(value=value, params={"x": x}, distributions={"x": FloatDistribution(0, 1)}))

    def record(model, cube, leaders, tried, best, rng):  # type: ignore[no-untyped-def]
        asked.update(leader=leaders[0, 0], best=best)
        return leaders[0]

    monkeypatch.setattr(auto, "find_next_point", record)
    study.ask({"x": FloatDistribution(0, 1)})
    assert asked["leader"] == pytest.approx(0.3, abs=0.15)
    assert asked["best"] > compressed_losses(study.trials[:-1], study.direction).min() + 1.0


def test_a_parameter_under_a_condition_is_chosen_too() -> None:
    def objective(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("kind", ["a", "b"]) == "a":
            return 1.0 + trial.suggest_float("only_a", 0.0, 1.0)
        return trial.suggest_float("only_b", 0.0, 1.0) + trial.suggest_float("x", 0.0, 1.0)

    study = study_with(AutoSampler(seed=0))
    study.optimize(objective, n_trials=30)
    assert study.best_params["kind"] == "b"


def test_a_space_without_shared_parameters_is_left_to_tpe() -> None:
    study = study_with(AutoSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float(f"x{trial.number % 2}", 0.0, 1.0), n_trials=20)
    assert study.best_value < 0.5


def test_several_metrics_and_constraints_are_left_to_tpe(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the model was asked")

    monkeypatch.setattr(auto, "GaussianProcess", refuse)
    two = study_with(AutoSampler(seed=0), directions=["minimize", "maximize"])
    two.optimize(lambda trial: (bowl(trial), 0.0), n_trials=12)

    def limited(trial: optuna.Trial) -> float:
        trial.set_constraint("x0", trial.suggest_float("x0", 0.0, 1.0) - 0.5)
        return bowl(trial)

    constrained = study_with(AutoSampler(seed=0))
    constrained.optimize(limited, n_trials=12)
    assert len(constrained.trials) == 12


def test_tpe_takes_its_turns_and_a_long_study_keeps_its_price(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    class Recorder(auto.GaussianProcess):
        def __init__(self, points: auto.Array, *rest: object) -> None:
            seen.append(len(points))
            super().__init__(points, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(auto, "GaussianProcess", Recorder)
    study = study_with(AutoSampler(seed=0))
    rng = np.random.RandomState(0)
    for value in rng.uniform(size=401):
        study.add_trial(
            create_trial(value=value, params={"x": value}, distributions={"x": FloatDistribution(0, 1)})
        )
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=4)
    assert seen == [160, 160]  # every other trial, and no more observations than that


def finished(value: float | None, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    return create_trial(value=value, state=state)


def test_losses_are_standardised_and_lower_is_better() -> None:
    trials = [finished(value) for value in (3.0, 1.0, 2.0, 5.0, 4.0)]
    losses = compressed_losses(trials, StudyDirection.MINIMIZE)
    assert losses.mean() == pytest.approx(0.0, abs=1e-12)
    assert losses.std() == pytest.approx(1.0)
    assert np.argsort(losses).tolist() == [1, 2, 0, 4, 3]
    assert np.argsort(compressed_losses(trials, StudyDirection.MAXIMIZE)).tolist() == [3, 4, 0, 2, 1]


def test_one_disaster_does_not_hide_the_differences_that_matter() -> None:
    losses = compressed_losses([finished(value) for value in (1.0, 2.0, 3.0, 4.0, 1e9)], StudyDirection.MINIMIZE)
    assert losses[1] - losses[0] > 0.05


def test_what_is_infinite_is_as_bad_as_the_worst() -> None:
    trials = [finished(value) for value in (1.0, 2.0, 3.0, math.inf)]
    losses = compressed_losses(trials, StudyDirection.MINIMIZE)
    assert np.isfinite(losses).all()
    assert losses[3] == losses[2]
    assert np.isfinite(compressed_losses([finished(math.inf)] * 3, StudyDirection.MINIMIZE)).all()
    assert np.isfinite(compressed_losses([finished(1.0)] * 3, StudyDirection.MINIMIZE)).all()


def test_a_pruned_trial_is_never_better_than_the_median() -> None:
    trials = [finished(value) for value in (1.0, 2.0, 3.0)] + [finished(0.0, TrialState.PRUNED)]
    losses = compressed_losses(trials, StudyDirection.MINIMIZE)
    assert losses[3] == losses[1]


def test_it_searches_below_hyperband_where_most_trials_are_pruned() -> None:
    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        for step in range(9):
            trial.report((x - 0.3) ** 2 + 1 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return (x - 0.3) ** 2

    study = study_with(AutoSampler(seed=0), pruner=optuna.pruners.HyperbandPruner(1, 9))
    study.optimize(objective, n_trials=40)
    assert sum(trial.state == TrialState.PRUNED for trial in study.trials) > 10
    assert study.best_params["x"] == pytest.approx(0.3, abs=0.1)
