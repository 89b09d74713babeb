from __future__ import annotations

import numpy as np
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from hpotool.search.losses import (
    compressed_losses,
    front_losses,
    halved_values,
    joined_losses,
    observations_to_keep,
)
from hpotool.study.forecast import FORECAST_ATTRIBUTE, Forecast

WAYS = [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE]


def test_few_observations_are_all_kept() -> None:
    assert observations_to_keep(np.arange(5.0), 8).tolist() == [0, 1, 2, 3, 4]


def test_of_many_the_best_the_latest_and_some_of_the_rest_are_kept() -> None:
    losses = np.append(np.random.RandomState(0).uniform(1, 2, 250), np.linspace(0.9, 0.5, 250))
    kept = observations_to_keep(losses, 160)
    assert len(kept) == 160
    assert set(np.argsort(losses)[:80]) <= set(kept)
    assert (kept < 250).sum() >= 20  # the early random points are not forgotten
    assert set(range(400, 420)) <= set(kept)


def test_one_metric_is_joined_with_nothing() -> None:
    trials = [create_trial(value=value) for value in (3.0, 1.0, 2.0)]
    assert np.argsort(joined_losses(trials, WAYS[:1], np.random.RandomState(0))).tolist() == [1, 2, 0]


def test_weights_lead_to_every_part_of_the_front_and_to_nothing_behind_it() -> None:
    front = [(x, 1 - (1 - x) ** 2) for x in np.linspace(0, 1, 9)]
    values = [*front, (0.9, 0.1), (0.6, 0.2)]  # the second is to be maximised
    trials = [create_trial(values=list(pair)) for pair in values]
    rng = np.random.RandomState(0)
    best = [int(np.argmin(joined_losses(trials, WAYS, rng))) for _ in range(300)]
    assert len(set(best)) > 5
    assert set(best) <= set(range(9))


def test_losses_of_several_metrics_are_in_units_of_the_front() -> None:
    values = [(0.0, 1.0), (2.0, 7.0), (4.0, 9.0), (5.0, 5.0)]  # the last is dominated: the second is maximised
    trials = [create_trial(values=list(pair)) for pair in values]
    losses = front_losses(trials, WAYS, np.ones(4, dtype=bool))
    assert losses[:3] == pytest.approx(np.asarray([[-1.0, 0.0], [-0.5, -0.75], [0.0, -1.0]]))
    assert losses[3] == pytest.approx([np.log1p(0.25), -0.5])
    feasible = np.asarray([True, True, False, True])  # without the third, the second is the front's end
    assert front_losses(trials, WAYS, feasible)[1, 0] == pytest.approx(0.0)


@pytest.mark.parametrize("absurd", [-1e308, -np.inf, np.inf])
def test_an_absurd_value_does_not_hide_the_front(absurd: float) -> None:
    xs = np.linspace(0, 1, 30)
    trials = [create_trial(values=[x, 1 - x]) for x in xs] + [create_trial(values=[absurd, 0.5])]
    losses = front_losses(trials, WAYS[:1] * 2, np.ones(31, dtype=bool))
    assert np.isfinite(losses).all()
    assert np.ptp(losses[:30, 0]) > 0.05
    assert np.ptp(losses[:30, 1]) > 0.5


def test_a_front_of_one_point_or_of_equal_values_has_a_width() -> None:
    trials = [create_trial(values=[x, x]) for x in (1.0, 2.0, 3.0, 4.0)]
    losses = front_losses(trials, WAYS[:1] * 2, np.ones(4, dtype=bool))
    assert losses[0] == pytest.approx([0.0, 0.0])
    assert (np.diff(losses, axis=0) > 0.1).all()
    equal = front_losses([create_trial(values=[1.0, 1.0])] * 3, WAYS[:1] * 2, np.zeros(3, dtype=bool))
    assert np.isfinite(equal).all()


def test_a_pruned_trial_is_as_good_as_it_was_foretold_to_be() -> None:
    complete = [create_trial(value=value) for value in (1.0, 2.0, 3.0, 4.0, 5.0)]
    foretold = {FORECAST_ATTRIBUTE: Forecast(2, 1.5, 0.2, 1.0).as_data()}
    pruned, unknown = (
        create_trial(state=TrialState.PRUNED, value=0.1, intermediate_values={2: 0.1}, system_attrs=attributes)
        for attributes in (foretold, {})
    )
    losses = compressed_losses([*complete, pruned, unknown], StudyDirection.MINIMIZE)
    assert losses[0] < losses[5] < losses[1], "neither as good as its last value, nor as bad as the median"
    assert losses[6] > losses[1]


def test_what_was_foretold_is_in_the_metrics_own_direction() -> None:
    complete = [create_trial(value=value) for value in (1.0, 2.0, 3.0)]
    foretold = {FORECAST_ATTRIBUTE: Forecast(2, 2.5, 0.2, 3.0).as_data()}
    pruned = create_trial(state=TrialState.PRUNED, value=0.1, system_attrs=foretold)
    losses = compressed_losses([*complete, pruned], StudyDirection.MAXIMIZE)
    assert losses[2] < losses[3] < losses[1]


def test_halves_are_of_the_values_with_what_is_unknown_as_bad_as_the_worst() -> None:
    trials = [create_trial(value=value) for value in (1.0, 3.0, float("inf"), float("-inf"))]
    halved = halved_values(trials, StudyDirection.MAXIMIZE)
    assert halved is not None
    assert halved.tolist() == [-0.5, -1.5, -1.5, -0.5]
    assert halved_values(trials[2:], StudyDirection.MAXIMIZE) is None
