import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import t as student

from hpotool.search.pruning.curves import Curve
from hpotool.search.pruning.stopping import CurveHistory, Verdict, expected_improvement

STEPS = 20
Shape = Callable[[float, int], float]


def decaying(level: float, step: int) -> float:
    return level + math.exp(-0.2 * step)


def late(level: float, step: int) -> float:
    """Nothing can be seen of the level before the last steps."""
    return 1.0 if step < 16 else level


def curve(shape: Shape, level: float, steps: int = STEPS, *, is_whole: bool = True, first: int = 0) -> Curve:
    reports = {first + step: shape(level, step) for step in range(steps)}
    return Curve.of(reports, 1.0, shape(level, STEPS - 1) if is_whole else None, counts=is_whole)


def levels(count: int, seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).uniform(size=count).tolist()


def learn(shape: Shape, count: int = 20, first: int = 0) -> CurveHistory:
    history = CurveHistory.of([curve(shape, level, first=first) for level in levels(count)])
    assert history is not None
    return history


def judge(history: CurveHistory, running: Curve) -> Verdict:
    verdict = history.judge(running)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize("first", [0, 1, 1_000])
def test_a_bad_trial_is_ended_early_and_a_good_one_is_not(first: int) -> None:
    history = learn(decaying, first=first)
    bad = judge(history, curve(decaying, 0.9, 6, is_whole=False, first=first))
    good = judge(history, curve(decaying, 0.0, 6, is_whole=False, first=first))
    assert bad.is_hopeless
    assert not good.is_hopeless
    assert bad.step == first + 5
    assert bad.expected == pytest.approx(decaying(0.9, 19), abs=3 * bad.deviation)
    assert bad.best == pytest.approx(min(decaying(level, 19) for level in levels(20)))


def test_where_nothing_early_tells_of_the_end_nothing_is_ended() -> None:
    history = learn(late)
    assert not any(
        judge(history, curve(late, level, steps, is_whole=False)).is_hopeless
        for level in levels(20, seed=1)
        for steps in range(1, 16)
    )


@pytest.mark.parametrize("complete", range(3))
def test_nothing_is_ended_before_three_trials_have_completed(complete: int) -> None:
    pruned = [curve(decaying, level, 5, is_whole=False) for level in levels(30)]
    assert CurveHistory.of([*pruned, *(curve(decaying, 0.1) for _ in range(complete))]) is None


def test_a_trial_that_has_reported_nothing_is_not_judged() -> None:
    history = learn(decaying)
    assert history.judge(Curve.of({}, 1.0)) is None
    assert history.judge(Curve.of({0: math.nan}, 1.0)) is None


def test_a_trial_at_its_last_step_is_left_alone() -> None:
    history = learn(decaying)
    assert not judge(history, curve(decaying, 5.0, STEPS, is_whole=False)).is_hopeless
    assert not judge(history, curve(decaying, 5.0, STEPS + 30, is_whole=False)).is_hopeless


def test_a_trial_that_diverges_is_ended() -> None:
    history = learn(decaying)
    diverging = Curve.of(dict.fromkeys(range(8), math.inf), 1.0)
    assert judge(history, diverging).is_hopeless


def test_the_best_is_one_that_meets_its_constraints() -> None:
    complete = [curve(decaying, level) for level in levels(20)]
    forbidden = Curve.of(dict.fromkeys(range(STEPS), -1.0), 1.0, -1.0, counts=False)
    history = CurveHistory.of([*complete, forbidden])
    assert history is not None
    assert judge(history, curve(decaying, 0.5, 5, is_whole=False)).best == pytest.approx(
        min(decaying(level, 19) for level in levels(20))
    )


def test_infinite_final_values_and_running_trials_are_borne() -> None:
    finished = [curve(decaying, level) for level in levels(12)]
    finished += [Curve.of({0: 1.0, 1: math.inf}, 1.0, math.inf, counts=True)]
    history = CurveHistory.of(finished, [curve(decaying, 0.3, 4, is_whole=False), Curve.of({}, 1.0)])
    assert history is not None
    assert math.isfinite(judge(history, curve(decaying, 0.9, 6, is_whole=False)).expected)


def test_a_forecast_is_in_the_metrics_own_units() -> None:
    forecast = Verdict(12, -0.31, 0.02, -0.42, True).forecast(-1.0)
    assert (forecast.expected, forecast.deviation, forecast.best) == (0.31, 0.02, 0.42)


@pytest.mark.parametrize(("expected", "deviation"), [(0.0, 1.0), (1.0, 0.3), (-0.5, 0.2), (5.0, 0.1)])
def test_expected_improvement_is_the_integral(expected: float, deviation: float) -> None:
    density = student(4, expected, deviation).pdf
    integral, _ = quad(lambda value: -value * density(value), -np.inf, 0.0)
    gain = expected_improvement(np.array([expected]), np.array([deviation]), 0.0)
    assert gain[0] == pytest.approx(integral, rel=1e-4)


def test_what_is_known_improves_by_what_it_is_better() -> None:
    gains = expected_improvement(np.array([-1.0, 1.0]), np.zeros(2), 0.0)
    assert gains == pytest.approx([1.0, 0.0], abs=1e-6)
