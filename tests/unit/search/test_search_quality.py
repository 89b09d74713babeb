"""The benchmark measures what it says: the same study for the same seed, and regret above an optimum of 0."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from tests.benchmarks.problems import REPORTED, Problem
from tests.benchmarks.search_quality import Run, simulate, summarise
from tests.benchmarks.tuning_problems import TUNING

ALL = (*REPORTED, *TUNING)


@pytest.mark.parametrize("problem", ALL, ids=[problem.name for problem in ALL])
def test_no_point_is_better_than_the_optimum(problem: Problem) -> None:
    for seed in range(3):
        objective = problem.draw(np.random.default_rng(seed))
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
        values = [objective(study.ask()) for _ in range(200)]
        assert min(values) >= -1e-12
        assert min(values) < np.median(values)


def test_the_reported_problems_are_not_those_to_tune_on() -> None:
    assert not {problem.name for problem in REPORTED} & {problem.name for problem in TUNING}
    assert not {problem.draw for problem in REPORTED} & {problem.draw for problem in TUNING}


def test_a_simulation_repeats_itself_and_workers_change_it() -> None:
    problem = TUNING[0]
    one, again, many = (simulate("auto", problem, workers, 3, [15, 25]).regret for workers in (1, 1, 8))
    assert one == again
    assert one != many
    assert one[25] <= one[15]


def test_a_sampler_sees_no_value_before_its_trial_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.benchmarks import search_quality

    seen = []

    class Counting(optuna.samplers.RandomSampler):
        def infer_relative_search_space(self, study, trial):  # type: ignore[no-untyped-def]
            states = [other.state.name for other in study.get_trials(deepcopy=False)]
            seen.append((states.count("COMPLETE"), states.count("RUNNING")))
            return {}

    monkeypatch.setitem(search_quality.SAMPLERS, "counting", lambda seed: Counting(seed=seed))
    simulate("counting", TUNING[0], 4, 0, [10])
    assert seen[:4] == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert seen[4:] == [(finished, 4) for finished in range(1, 7)]


def test_a_summary_averages_over_problems_and_gives_the_error_over_seeds() -> None:
    runs = [
        Run("auto", name, "numeric", 8, seed, {100: 0.1 * (seed + 1)}, 0.0) for name in "ab" for seed in (0, 1)
    ]
    _, line = summarise(runs, 100)
    assert line.split() == ["auto", "8", "0.1500", "0.0500", "0.1500"]
