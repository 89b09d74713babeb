from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from threadpoolctl import threadpool_info, threadpool_limits

from hpotool.search import auto
from hpotool.search.auto import AutoSampler, compressed_losses
from hpotool.study.space import suggest_search_space
from hpotool.study.spec import ParameterSpec
from tests.benchmarks.search_quality import simulate
from tests.benchmarks.tuning_problems import TUNING


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


@pytest.mark.parametrize(("noise", "share"), [(0.0, 0.5), (0.3, 0.3)])
def test_where_measurements_are_noisy_tpe_gets_more_of_the_turns(
    noise: float, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = []
    find = auto.find_next_point
    monkeypatch.setattr(auto, "find_next_point", lambda *args: chosen.append(1) or find(*args))
    study = study_with(AutoSampler(seed=0))
    rng = np.random.RandomState(0)
    for x in rng.uniform(size=100):
        value = (x - 0.4) ** 2 + noise * rng.normal()
        study.add_trial(create_trial(value=value, params={"x": x}, distributions={"x": FloatDistribution(0, 1)}))
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1) - 0.4) ** 2 + noise * rng.normal(), n_trials=20)
    assert len(chosen) == pytest.approx(20 * share, abs=1)


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
    assert [trial.params["kind"] for trial in study.trials[6:]].count("c") > 10


def test_under_noise_the_luckiest_measurement_is_not_what_is_to_be_beaten(monkeypatch: pytest.MonkeyPatch) -> None:
    lucky, asked = 0.9, {}
    study = study_with(AutoSampler(seed=0))
    rng = np.random.RandomState(0)
    for x in np.append(rng.uniform(size=64), lucky):  # 65 trials: the next is the model's turn, noise or not
        value = -0.5 if x == lucky else 4 * (x - 0.3) ** 2 + 0.1 * rng.normal()
        study.add_trial(create_trial(value=value, params={"x": x}, distributions={"x": FloatDistribution(0, 1)}))

    def record(score, cube, leaders, tried, rng):  # type: ignore[no-untyped-def]
        asked.update(leader=leaders[0, 0])
        score(leaders)
        return leaders[0]

    def improvement(expected, deviation, best):  # type: ignore[no-untyped-def]
        asked.update(best=best)
        return expected

    monkeypatch.setattr(auto, "find_next_point", record)
    monkeypatch.setattr(auto, "log_expected_improvement", improvement)
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


def test_a_space_without_shared_parameters_is_searched() -> None:
    study = study_with(AutoSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float(f"x{trial.number % 2}", 0.0, 1.0), n_trials=30)
    assert study.best_value < 0.1


def test_names_that_never_come_again_are_no_columns() -> None:
    study = study_with(AutoSampler(seed=0))
    study.optimize(
        lambda trial: trial.suggest_float(f"x{trial.number}", 0, 1) + trial.suggest_float("y", 0, 1), n_trials=30
    )
    trial = study.ask()
    sampler = study.sampler
    assert sampler.infer_relative_search_space(study, trial._cached_frozen_trial).keys() == {"y"}


def test_constraints_are_searched_by_a_model_for_each() -> None:
    def limited(trial: optuna.Trial) -> float:
        x = [trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(3)]
        trial.set_constraint("sum", 1.9 - sum(x))  # two in a hundred random points meet both
        trial.set_constraint("first", x[0] - 0.4)
        return x[1]

    study = study_with(AutoSampler(seed=0))
    study.optimize(limited, n_trials=40)
    assert study.best_value == pytest.approx(0.5, abs=0.03)


def test_several_metrics_are_searched_along_their_front() -> None:
    def two(trial: optuna.Trial) -> tuple[float, float]:
        x = [trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(4)]
        rest = sum((value - 0.4) ** 2 for value in x[1:])
        return x[0] + rest, (x[0] - 1) ** 2 + rest

    study = study_with(AutoSampler(seed=0), directions=["minimize", "minimize"])
    study.optimize(two, n_trials=60)
    near = [
        trial for trial in study.best_trials if sum((trial.params[f"x{i}"] - 0.4) ** 2 for i in (1, 2, 3)) < 0.01
    ]
    assert len(near) > 5


def test_of_many_trials_the_model_knows_the_whole_front(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    class Recorder(auto.FrontModel):
        def __init__(self, points: auto.Array, losses: auto.Array, *rest: object) -> None:
            seen.extend([len(points), int((points[:, 1] < 1e-9).sum())])
            super().__init__(points, losses, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(auto, "FrontModel", Recorder)
    study = study_with(AutoSampler(seed=0), directions=["minimize", "minimize"])
    space = {name: FloatDistribution(0, 1) for name in ("share", "waste")}
    rng = np.random.RandomState(0)
    for number in range(301):
        point = {"share": number % 70 / 70, "waste": 0.0 if number < 70 else rng.uniform(0.01, 1.0)}
        values = [point["share"] + point["waste"], 1 - point["share"] + point["waste"]]
        study.add_trial(create_trial(values=values, params=point, distributions=space))
    study.ask(space)
    assert seen == [160, 70]


@pytest.mark.parametrize("metrics", [2, 3])
def test_several_metrics_are_searched_within_a_constraint(metrics: int) -> None:
    ends = np.asarray([[0.1, 0.8, 0.5], [0.8, 0.8, 0.5], [0.5, 0.8, 0.9]])[:metrics]

    def bowls(trial: optuna.Trial) -> tuple[float, ...]:
        x = np.asarray([trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(3)])
        trial.set_constraint("second", x[1] - 0.15)  # one in seven random points meets it
        return tuple(float(((x - end) ** 2).sum()) for end in ends)

    study = study_with(AutoSampler(seed=0), directions=["minimize"] * metrics)
    study.optimize(bowls, n_trials=50)
    near = [trial for trial in study.best_trials if trial.params["x1"] > 0.12]
    assert len(near) > 8
    assert np.ptp([trial.params["x0"] for trial in near]) > 0.4


def corner(trial: optuna.Trial) -> float:
    """A learning rate above 3 diverges; what can be learned of it points there."""
    lr = math.log10(trial.suggest_float("lr", 1e-3, 10.0, log=True))
    alpha = math.log10(trial.suggest_float("alpha", 1e-6, 1e-1, log=True))
    penalty = {"l1": 0.0, "l2": 0.05, "elasticnet": 0.05}[
        trial.suggest_categorical("penalty", ["l1", "l2", "elasticnet"])
    ]
    batch = math.log2(trial.suggest_int("batch", 8, 256, log=True))
    if lr > math.log10(3):
        raise ValueError("loss diverged: lr too high")
    return 0.2 + 0.4 * abs(lr + 0.8) + 0.05 * (alpha + 6) + penalty + 0.01 * abs(batch - 6)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_corner_that_fails_is_left(seed: int) -> None:
    study = study_with(AutoSampler(seed=seed))
    while sum(trial.state == TrialState.COMPLETE for trial in study.trials) < 40:
        study.optimize(corner, n_trials=1, catch=ValueError)
    assert len(study.trials) <= 48
    assert study.best_value < 0.25


@pytest.mark.parametrize("workers", [1, 8])
def test_at_most_a_fifth_fails_where_a_third_of_the_space_does_and_the_edge_is_reached(workers: int) -> None:
    problem = next(problem for problem in TUNING if problem.name == "edge")
    ours, random = (simulate(name, problem, workers, 0, [120]) for name in ("auto", "random"))
    assert random.failed > 30
    assert ours.failed <= 24
    assert ours.regret[120] < random.regret[120] / 10


def test_both_models_compute_with_one_thread() -> None:
    threads = set()

    class Watched(AutoSampler):
        def _sample_with_tpe(self, *args: Any) -> dict[str, Any]:
            threads.update(
                ("tpe", blas["num_threads"]) for blas in threadpool_info() if blas["user_api"] == "blas"
            )
            return super()._sample_with_tpe(*args)

        def _look_out(self, *args: Any) -> auto.Outlook | None:
            threads.update(("gp", blas["num_threads"]) for blas in threadpool_info() if blas["user_api"] == "blas")
            return super()._look_out(*args)

    with threadpool_limits(2, "blas"):
        study_with(Watched(seed=0)).optimize(corner, n_trials=25, catch=ValueError)
    assert threads == {("tpe", 1), ("gp", 1)}


def test_failures_that_strike_anywhere_are_no_region() -> None:
    def unlucky(trial: optuna.Trial) -> float:
        value = bowl(trial)
        if trial.number % 3 == 0:
            raise ValueError("the machine was out of order")
        return value

    study = study_with(AutoSampler(seed=0))
    study.optimize(unlucky, n_trials=60, catch=ValueError)
    assert study.best_value < 0.1


def test_where_everything_fails_nothing_is_modelled_and_the_log_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(trial: optuna.Trial) -> float:
        raise ValueError(bowl(trial))

    def refuse(*_: object) -> None:
        raise AssertionError("the model was asked")

    monkeypatch.setattr(auto, "GaussianProcess", refuse)
    study = study_with(AutoSampler(seed=0))
    study.optimize(fail, n_trials=20, catch=ValueError)
    assert [record.message.split(";")[0] for record in caplog.records if record.name == "hpotool.search.auto"] == [
        "all of the first 10 trials failed"
    ]
    study.optimize(bowl, n_trials=1)  # and goes on


def test_queued_points_between_free_ones_leave_each_its_turns() -> None:
    for every in (2, 3, 5, 7):
        free = np.arange(0, 40 * every, every)  # the others are queued points, retries or branches
        turns = [number * auto._GOLDEN % 1.0 < auto._MODEL_SHARE for number in free]
        assert sum(turns) == pytest.approx(40 * auto._MODEL_SHARE, abs=3)
        assert max(len(list(run)) for _, run in itertools.groupby(turns)) <= 8


DECLARED = (
    ParameterSpec("kind", CategoricalDistribution(["a", "b"])),
    ParameterSpec("depth", IntDistribution(1, 8), when={"kind": ("b",)}),
    ParameterSpec("x", FloatDistribution(0, 1)),
)


def test_the_first_wave_is_spread_over_the_space_of_the_study_file() -> None:
    study = study_with(AutoSampler(seed=0, space=DECLARED))
    trials = [study.ask() for _ in range(8)]
    points = [suggest_search_space(DECLARED, trial) for trial in trials]
    assert all(("depth" in point) == (point["kind"] == "b") for point in points)
    xs = sorted(point["x"] for point in points if point["kind"] == "a")
    assert min(b - a for a, b in itertools.pairwise(xs)) > 0.1


def test_a_widened_range_stays_in_the_joint_model() -> None:
    study = study_with(AutoSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1), n_trials=12)

    def wider(trial: optuna.Trial) -> float:
        return abs(trial.suggest_float("x", -1, 2) + 0.5) + trial.suggest_float("y", 0, 1)

    study.optimize(wider, n_trials=20)
    trial = study.ask()
    sampler = study.sampler
    assert isinstance(sampler, AutoSampler)
    frozen = trial._cached_frozen_trial
    assert sampler._joint_space(auto.History.of(study, frozen)).space["x"] == FloatDistribution(-1, 2)
    assert study.trials[-2].params["x"] < 0.2


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


@pytest.mark.parametrize("absurd", [-1e308, -1e30, -math.inf])
def test_one_absurdly_good_value_does_not_hide_the_others(absurd: float) -> None:
    trials = [finished(value) for value in (*np.linspace(1, 2, 30), 1e308, absurd)]
    losses = compressed_losses(trials, StudyDirection.MINIMIZE)
    assert np.isfinite(losses).all()
    assert losses.argmin() in (0, 31)
    assert losses[10] - losses[0] > 0.1


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
