from __future__ import annotations

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import create_trial

from hpotool.search.losses import joined_losses, observations_to_keep

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
