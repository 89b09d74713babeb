import copy
import pickle
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpotool.storage.optuna.decoding import TrialDecoder
from hpotool.storage.optuna.trial_cache import StudyHistory

# Naive local time, as Optuna shows it.
STARTED = datetime.fromisoformat("2024-05-06 07:08:09")
COMPLETED = datetime.fromisoformat("2024-05-06 08:00:00")
SPACES = {"x": FloatDistribution(0, 1), "kind": CategoricalDistribution(["a", None])}


def _never(trial):
    raise AssertionError("nobody asked for intermediate values")


def _frozen(number, state=TrialState.RUNNING, value=None):
    trial = create_trial(
        state=state,
        value=value,
        params={"x": 0.5, "kind": None},
        distributions=dict(SPACES),
        user_attrs={"list": [1, {"deep": None}]},
        intermediate_values={3: 0.25, 1: 0.5},
    )
    trial.number = number
    trial._trial_id = number + 100
    trial._datetime_start = STARTED
    return trial


def _stored(number, state=TrialState.COMPLETE, value=1.0):
    decoder = TrialDecoder(_never)
    return decoder.ended(_frozen(number), state, [value], COMPLETED)


def test_a_stored_trial_is_equal_to_copied_and_pickled_as_the_frozen_trial_of_the_same_content():
    expected = _frozen(7)
    expected.state, expected.values = TrialState.COMPLETE, [2.0]
    expected.datetime_complete = COMPLETED
    stored = _stored(7, value=2.0)
    assert stored == expected
    assert expected == stored
    assert stored.last_step == 3
    assert repr(stored) == repr(expected)
    for copied in (copy.copy(stored), copy.deepcopy(stored), pickle.loads(pickle.dumps(stored))):
        assert type(copied) is FrozenTrial
        assert copied == expected
        copied.params["x"] = 0.75
        copied.user_attrs["list"].append(2)
    assert stored == expected
    assert stored != _stored(7, value=3.0)


def test_what_is_finished_stays_as_it_is():
    history = StudyHistory(1)
    history.put(_stored(0))
    history.put(_frozen(0))
    assert [trial.state for trial in history.select(None)] == [TrialState.COMPLETE]
    assert len(history.finished) == 1
    assert history.running == set()


@given(st.permutations(range(8)))
def test_whatever_the_order_of_arrival_trials_are_by_number_and_gaps_are_known(order):
    history = StudyHistory(1)
    for seen, number in enumerate(order, 1):
        history.put(_stored(number) if number % 2 else _frozen(number))
        arrived = sorted(order[:seen])
        assert [trial.number for trial in history.select(None)] == arrived
        assert history.missing_numbers() == [n for n in range(max(arrived)) if n not in arrived]
        assert all(history.trials[history.position(trial)] is trial for trial in history.trials)
    assert history.running == {100, 102, 104, 106}


@pytest.mark.parametrize(("maximize", "expected"), [(False, 1), (True, 2)])
def test_the_best_trial_is_the_complete_one_that_came_first_of_equals(maximize, expected):
    history = StudyHistory(1)
    assert history.best(maximize=maximize) is None
    values = [(TrialState.PRUNED, -9.0), (TrialState.COMPLETE, 1.0), (TrialState.COMPLETE, 2.0)]
    for number, (state, value) in enumerate([*values, (TrialState.COMPLETE, 1.0), (TrialState.COMPLETE, 2.0)]):
        history.put(_stored(number, state, value))
    best = history.best(maximize=maximize)
    assert best is not None
    assert best.number == expected


NEWS = st.tuples(st.integers(0, 4), st.sampled_from("RWCPF"), st.integers(-3, 3))


@given(st.lists(NEWS, max_size=20))
def test_after_any_news_the_history_is_the_last_state_of_each_trial_until_it_finished(news):
    states = {"R": TrialState.RUNNING, "W": TrialState.WAITING, "C": TrialState.COMPLETE, "P": TrialState.PRUNED,
              "F": TrialState.FAIL}  # fmt: skip
    history, known, finished = StudyHistory(1), {}, []
    for number, letter, value in news:
        state = states[letter]
        if state.is_finished():
            trial = TrialDecoder(_never).ended(
                _frozen(number), state, [float(value)] if letter == "C" else None, None
            )
        else:
            trial = _frozen(number, state)
        history.put(trial)
        if number not in known or not known[number].state.is_finished():
            known[number] = trial
            if state.is_finished():
                finished.append(trial)
    assert history.finished == finished
    assert [trial.number for trial in history.select(None)] == sorted(known)
    for wanted in (
        [TrialState.RUNNING],
        [TrialState.WAITING, TrialState.RUNNING],
        [TrialState.COMPLETE, TrialState.FAIL],
    ):
        expected = [number for number in sorted(known) if known[number].state in wanted]
        assert [trial.number for trial in history.select(wanted)] == expected
    assert history.missing_numbers() == [n for n in range(max(known, default=0)) if n not in known]
    complete = [trial for trial in finished if trial.state == TrialState.COMPLETE]
    for maximize in (False, True):
        best = history.best(maximize=maximize)
        values = [trial.values[0] for trial in complete]
        assert (best is None) == (not complete)
        if best is not None:
            assert best.values[0] == (max if maximize else min)(values)
            assert best is next(trial for trial in complete if trial.values[0] == best.values[0])
