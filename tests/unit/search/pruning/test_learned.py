"""The learned pruner in plain Optuna; on Postgres: tests/integration/search/test_learned_pruner.py."""

import math
import pickle
from collections.abc import Callable

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.search.auto import AutoSampler
from hpotool.search.pruning.learned import LearnedPruner
from hpotool.study.forecast import FORECAST_ATTRIBUTE, Forecast

optuna.logging.set_verbosity(optuna.logging.ERROR)
STEPS = 20


def train(trial: optuna.Trial, direction: str = "minimize", first: int = 0, broken: bool = False) -> float:
    sign = 1.0 if direction == "minimize" else -1.0
    level = (trial.suggest_float("x", 0, 1) - 0.3) ** 2
    for step in range(STEPS):
        value = sign * (level + math.exp(-0.3 * step))
        if broken and step % 4 == 1:
            continue
        trial.report(math.nan if broken and step % 7 == 3 else value, first + step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def optimize(
    objective: Callable[[optuna.Trial], float], trials: int = 40, direction: str = "minimize"
) -> optuna.Study:
    study = optuna.create_study(
        pruner=LearnedPruner(), sampler=optuna.samplers.RandomSampler(seed=3), direction=direction
    )
    study.optimize(objective, n_trials=trials)
    return study


def ends(study: optuna.Study) -> list[tuple[str, int | None]]:
    return [(trial.state.name, trial.last_step) for trial in study.trials]


def test_bad_trials_are_ended_and_the_best_is_not() -> None:
    study = optimize(train)
    states = [trial.state for trial in study.trials]
    assert states[:3] == [TrialState.COMPLETE] * 3
    assert 15 <= states.count(TrialState.PRUNED) < 37
    levels = {trial.number: (trial.params["x"] - 0.3) ** 2 for trial in study.trials}
    assert study.best_trial.number == min(levels, key=lambda number: levels[number])


def test_both_directions_get_the_same_verdicts() -> None:
    assert ends(optimize(train)) == ends(optimize(lambda trial: train(trial, "maximize"), direction="maximize"))


def test_steps_may_begin_anywhere() -> None:
    later = ends(optimize(lambda trial: train(trial, first=100)))
    assert [(state, step and step - 100) for state, step in later] == ends(optimize(train))


def test_gaps_and_nan_are_borne() -> None:
    study = optimize(lambda trial: train(trial, broken=True))
    assert sum(trial.state == TrialState.PRUNED for trial in study.trials) >= 10


def test_an_ended_trial_says_what_was_expected_of_it() -> None:
    study = optimize(train)
    complete = [
        trial.value for trial in study.trials if trial.state == TrialState.COMPLETE and trial.value is not None
    ]
    for trial in study.trials:
        forecast = Forecast.of(trial.system_attrs)
        assert (forecast is not None) == (trial.state == TrialState.PRUNED)
        if forecast is not None:
            truth = (trial.params["x"] - 0.3) ** 2 + math.exp(-0.3 * (STEPS - 1))
            assert forecast.step == trial.last_step
            assert abs(forecast.expected - truth) < 4 * forecast.deviation + 0.05
            assert forecast.best >= min(complete) - 1e-9


def test_a_failed_trial_teaches_nothing() -> None:
    study = optuna.create_study(pruner=LearnedPruner())
    for _ in range(30):
        trial = study.ask()
        trial.report(1.0, 0)
        assert not trial.should_prune()
        study.tell(trial, state=TrialState.FAIL)
    assert not study.ask().should_prune()


def test_a_resumed_trial_is_judged_by_the_steps_that_it_has() -> None:
    study = optimize(train)
    verdicts = []
    for level in (0.0, 0.9):
        trial = study.ask()
        for step in (12, 13):
            trial.report(level + math.exp(-0.3 * step), step)
        verdicts.append(trial.should_prune())
        study.tell(trial, state=TrialState.FAIL)
    assert verdicts == [False, True]


@pytest.mark.parametrize("every", [1, 7, 33])
def test_a_worker_that_is_restarted_ends_the_same_trials(every: int) -> None:
    def run(restarts: bool) -> list[tuple[str, int | None]]:
        study = optuna.create_study(pruner=LearnedPruner(), sampler=optuna.samplers.RandomSampler(seed=3))
        for number in range(70):
            if restarts and number % every == 0:
                study.pruner = LearnedPruner()
            study.optimize(train, n_trials=1)
        return ends(study)

    assert run(restarts=True) == run(restarts=False)


def test_how_many_must_complete_first_can_be_said() -> None:
    pruner = LearnedPruner(n_startup_trials=30)
    study = optuna.create_study(pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=3))
    study.optimize(train, n_trials=40)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials[:30])
    assert any(trial.state == TrialState.PRUNED for trial in study.trials[30:])


def test_a_pickled_pruner_learns_again() -> None:
    study = optimize(train)
    twin = pickle.loads(pickle.dumps(study.pruner))
    trial = study.ask()
    for step in range(5):
        trial.report(5.0, step)
    assert twin.prune(study, study._storage.get_trial(trial._trial_id))
    assert pickle.loads(pickle.dumps(LearnedPruner(9)))._fewest == 9


def test_several_threads_of_plain_optuna_share_it() -> None:
    study = optuna.create_study(pruner=LearnedPruner(), sampler=AutoSampler(seed=1))
    study.optimize(train, n_trials=60, n_jobs=4)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE, TrialState.PRUNED}


@pytest.mark.parametrize("final", [math.inf, 1e308, 5.0])
def test_any_final_values_can_be_learned_from(final: float) -> None:
    def objective(trial: optuna.Trial) -> float:
        for step in range(5):
            trial.report(0.5, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return final if trial.number % 2 else 0.5

    study = optimize(objective, trials=15)
    assert len(study.trials) == 15


def test_what_the_attribute_is_called_stays() -> None:
    assert FORECAST_ATTRIBUTE == "hpotool:forecast"
