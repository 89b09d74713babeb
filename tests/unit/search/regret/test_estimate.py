"""The estimate against optima that are known, and what keeps it from being one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpotool.search.regret.estimate import estimate_regret
from hpotool.study.outcome import FAILED_ATTRIBUTE
from hpotool.study.rules.regret import Regret
from hpotool.study.spec import ParameterSpec

SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}
MINIMIZE, MAXIMIZE = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE


def make(
    points: Sequence[Sequence[float]],
    value: Callable[[float, float], float],
    constraint: Callable[[float, float], float] | None = None,
    state: TrialState = TrialState.COMPLETE,
) -> list[FrozenTrial]:
    trials = [
        create_trial(
            state=state,
            value=value(x, y),
            params={"x": x, "y": y},
            distributions=SPACE,
            constraints=None if constraint is None else {"c": constraint(x, y)},
        )
        for x, y in points
    ]
    return numbered(trials)


def numbered(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    for number, trial in enumerate(trials):
        trial.number = number
    return trials


def bowl(x: float, y: float) -> float:
    return (x - 0.6) ** 2 + (y - 0.4) ** 2


RNG = np.random.default_rng(0)
SPREAD = RNG.uniform(size=(30, 2))
CLOSE = np.clip(np.asarray([0.6, 0.4]) + RNG.normal(scale=0.02, size=(30, 2)), 0, 1)


def left(trials: Sequence[FrozenTrial], direction: StudyDirection = MINIMIZE) -> Regret:
    found = estimate_regret(trials, direction)
    assert found is not None
    return found


def test_it_covers_what_is_left_and_falls_as_the_search_comes_close() -> None:
    spread = make(SPREAD, bowl)
    early = left(spread)
    assert early.best == min(spread, key=lambda trial: trial.value).number
    assert (early.trials, early.expected <= early.at_most) == (30, True)
    assert early.at_most >= min(trial.value for trial in spread), "the optimum is zero"
    late = left(numbered([*spread, *make(CLOSE, bowl)]))
    assert late.at_most < early.at_most / 2
    assert late.at_most < 0.001


def test_maximizing_and_units_change_nothing_but_the_units() -> None:
    down = left(make(SPREAD, bowl))
    up = left(make(SPREAD, lambda x, y: 7 - 1000 * bowl(x, y)), MAXIMIZE)
    assert up.best == down.best
    assert up.expected == pytest.approx(1000 * down.expected, rel=1e-3)
    assert up.at_most == pytest.approx(1000 * down.at_most, rel=1e-3)


def test_the_same_trials_in_any_order_give_the_same() -> None:
    trials = make(SPREAD, bowl)
    assert left(trials) == left(trials[::-1])


def test_what_is_better_beyond_a_constraint_is_not_to_be_gained() -> None:
    slope = lambda x, y: x + 0.1 * y  # noqa: E731
    points = np.vstack([SPREAD, 0.5 + 0.01 * RNG.uniform(size=(15, 2))])
    free = left(make(points, slope))
    bound = left(make(points, slope, lambda x, y: 0.5 - x))
    assert bound.best != free.best
    assert bound.at_most < 0.15, "below x = 0.5 lies half a unit that no feasible point has"


def test_what_fails_is_not_to_be_gained() -> None:
    points = np.vstack([SPREAD, RNG.uniform(size=(30, 2))])
    inside = make([point for point in points if point[0] >= 0.5], lambda x, _: x)
    outside = make([point for point in points if point[0] < 0.5], lambda x, _: x)
    for trial in outside:
        trial.state, trial.values = TrialState.FAIL, None
        trial.set_user_attr("x", 0)
        trial.system_attrs = {FAILED_ATTRIBUTE: "error"}
    with_failures = left(numbered([*inside, *outside]))
    without = left(numbered(inside))
    assert with_failures.at_most < 0.7 * without.at_most


def test_a_finite_space_that_was_tried_whole_has_nothing_left() -> None:
    space = {"a": IntDistribution(1, 5), "b": CategoricalDistribution(["u", "v", "w", "z"])}
    trials = [
        create_trial(value=float(a * (1 + "uvwz".index(b))), params={"a": a, "b": b}, distributions=space)
        for a in range(1, 6)
        for b in "uvwz"
    ]
    assert left(numbered(trials)).at_most < 0.05


def test_noise_is_no_gain_by_itself() -> None:
    """A space in which nothing matters: the lowest value was luck, and another one would be too."""
    noise = np.random.default_rng(1).normal(size=60)
    trials = make(np.random.default_rng(2).uniform(size=(60, 2)), lambda *_: 0.0)
    for trial, value in zip(trials, noise, strict=True):
        trial.value = 5 + 0.1 * value
    found = left(trials)
    assert found.at_most < 0.2, "two deviations of the noise"


@pytest.mark.parametrize("count", [0, 19])
def test_fewer_than_twenty_trials_say_nothing(count: int) -> None:
    assert estimate_regret(make(SPREAD[:count], bowl), MINIMIZE) is None


@pytest.mark.parametrize(
    "trials",
    [
        make(SPREAD, lambda *_: 1.0),
        make(SPREAD, bowl, lambda *_: 1.0),
        make(SPREAD, bowl, state=TrialState.PRUNED),
        make(SPREAD, lambda *_: math.inf),
        numbered([create_trial(value=float(place)) for place in range(30)]),
    ],
    ids=["all alike", "none feasible", "all pruned", "all infinite", "no parameters"],
)
def test_trials_that_cannot_say_give_nothing(trials: list[FrozenTrial]) -> None:
    assert estimate_regret(trials, MINIMIZE) is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("factor", [1e308, 1e-320])
def test_values_of_any_size_give_numbers(factor: float) -> None:
    found = left(make(SPREAD, lambda x, y: factor * bowl(x, y)))
    assert 0 <= found.expected < math.inf
    assert 0 <= found.at_most < math.inf


def test_infinite_values_pruned_and_running_trials_are_no_obstacle() -> None:
    trials = make(SPREAD, lambda x, y: math.inf if x > 0.8 else bowl(x, y))
    pruned = make(SPREAD[:8] / 2, bowl, state=TrialState.PRUNED)
    running = create_trial(state=TrialState.RUNNING, params={"x": 0.1, "y": 0.1}, distributions=SPACE)
    found = left(numbered([*trials, *pruned, running]))
    assert found.trials == 38
    assert math.isfinite(found.at_most)


def test_conditional_parameters_are_one_space() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    declared = (
        ParameterSpec("kind", CategoricalDistribution(["a", "b"])),
        ParameterSpec("x", FloatDistribution(0, 1)),
        ParameterSpec("extra", FloatDistribution(0, 1), when={"kind": ("b",)}),
    )

    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["a", "b"])
        x = trial.suggest_float("x", 0, 1)
        return x + (trial.suggest_float("extra", 0, 1) if kind == "b" else 0.3)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study.optimize(objective, 50)
    found = estimate_regret(study.trials, study.direction, declared)
    assert found is not None
    assert study.best_value - 0.05 < found.at_most < 1.0, "zero is the optimum"
