"""A finished trial in memory is the FrozenTrial that Optuna would have read, at any moment of any year."""

import copy
import json
import math
import pickle
from array import array
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution, distribution_to_json
from optuna.trial import FrozenTrial, TrialState

from hpotool.storage.optuna.decoding import TrialDecoder, finite_or_none, pack, to_stored_time, value_types
from hpotool.storage.optuna.stored_trial import StepIndex, StepValues, StoredTrial, to_local_time
from tests.examples import examples

SPACES = {
    "x": FloatDistribution(-1e300, 1e300),
    "log": FloatDistribution(1e-300, 1e300, log=True),
    "n": IntDistribution(-(2**53), 2**53),
    "kind": CategoricalDistribution(["a", None, True, 2, 0.5, [1, {"a": 2}], "é"]),
}
UTC_TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2036, 1, 1))  # noqa: DTZ001 -- naive UTC, as it is stored
ATTRIBUTES = st.dictionaries(
    st.text(max_size=5),
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists),
    max_size=3,
)
STEPS = st.dictionaries(st.integers(0, 2**31 - 1), st.floats(), max_size=6)


def never(_: StoredTrial) -> StepValues:
    raise AssertionError("its steps came with it")


def draw_params(data: st.DataObject) -> dict[str, Any]:
    names = data.draw(st.lists(st.sampled_from(sorted(SPACES)), unique=True))
    values = {
        "x": st.floats(-1e300, 1e300),
        "log": st.floats(1e-300, 1e300),
        "n": st.integers(-(2**53), 2**53),
        "kind": st.sampled_from(SPACES["kind"].choices),  # type: ignore[attr-defined]
    }
    return {name: data.draw(values[name]) for name in names}


def row_of(trial: FrozenTrial, started: datetime, completed: datetime) -> tuple[Any, ...]:
    """The trial as the statement that reads trials would return it."""
    distributions = {name: SPACES[name] for name in trial.params}
    steps = sorted(trial.intermediate_values)
    last = max(steps, default=None)
    return (
        trial._trial_id, 1, trial.number, trial.state.name, started, completed, trial.values,
        list(distributions), [space.to_internal_repr(trial.params[name]) for name, space in distributions.items()],
        [distribution_to_json(space) for space in distributions.values()],
        list(trial.user_attrs), [json.dumps(value) for value in trial.user_attrs.values()],
        list(trial._system_attrs), [json.dumps(value) for value in trial._system_attrs.values()],
        steps, [trial.intermediate_values[step] for step in steps],
        last, None if last is None else trial.intermediate_values[last],
    )  # fmt: skip


@settings(max_examples=examples(50))
@given(st.data(), UTC_TIMES, UTC_TIMES, STEPS, ATTRIBUTES, ATTRIBUTES, st.sampled_from(sorted(TrialState)))
def test_a_row_is_the_trial_that_was_written_in_every_state(
    data: st.DataObject,
    started: datetime,
    completed: datetime,
    steps: Any,
    user: Any,
    system: Any,
    state: TrialState,
) -> None:
    params = draw_params(data)
    written = FrozenTrial(
        number=3,
        state=state,
        value=None,
        values=data.draw(st.none() | st.lists(st.floats(allow_nan=False), min_size=1, max_size=3)),
        datetime_start=to_local_time(started),
        datetime_complete=to_local_time(completed),
        params=params,
        distributions={name: SPACES[name] for name in params},
        user_attrs=user,
        system_attrs=system,
        intermediate_values={},
        trial_id=9,
    )
    written.intermediate_values = {step: value for step, value in steps.items() if not math.isnan(value)}
    read = TrialDecoder(never).trial(row_of(written, started, completed))
    assert isinstance(read, StoredTrial) == state.is_finished()
    assert read == written
    assert written == read
    assert read.params == params
    assert [type(value) for value in read.params.values()] == [type(value) for value in params.values()]
    assert read.last_step == max(written.intermediate_values, default=None)
    for copied in (copy.deepcopy(read), copy.copy(read), pickle.loads(pickle.dumps(read))):
        assert copied == written
        assert type(copied) is FrozenTrial


@given(STEPS)
def test_intermediate_values_are_a_mapping_like_the_dict_that_was_reported(steps: dict[int, float]) -> None:
    values = StepValues(StepIndex(tuple(steps)), array("d", steps.values()))
    assert list(values) == list(steps)
    assert len(values) == len(steps)
    assert repr(values) == repr(steps)
    for step in (*steps, -1, 2**40):
        assert (step in values) == (step in steps)
        assert repr(values.get(step)) == repr(steps.get(step))
    if not any(map(math.isnan, steps.values())):
        assert values == steps


@given(st.lists(st.floats()))
def test_a_value_and_its_type_together_lose_nothing(values: list[float]) -> None:
    back = {"NAN": math.nan, "INF_POS": math.inf, "INF_NEG": -math.inf}
    stored = list(zip(finite_or_none(values), value_types(values), strict=True))
    read = [value if kind == "FINITE" else back[kind] for value, kind in stored]
    assert [repr(value) for value in read] == [repr(value) for value in values]
    assert all((value is None) == (kind != "FINITE") for value, kind in stored)


@given(st.lists(st.floats()))
def test_packed_numbers_are_those_that_postgres_sends(values: list[float]) -> None:
    import struct

    assert pack(values) == b"".join(struct.pack(">d", value) for value in values)


def test_trials_with_the_same_parameters_share_their_distributions_and_others_do_not() -> None:
    decoder = TrialDecoder(never)
    texts = [distribution_to_json(space) for space in SPACES.values()]
    first, again = (decoder._distributions_of(list(SPACES), texts) for _ in range(2))
    assert first is again
    assert first == SPACES
    other = decoder._distributions_of(list(reversed(SPACES)), list(reversed(texts)))
    assert other == SPACES
    assert list(other) != list(first), "the order of the parameters is that of the trial"


@pytest.mark.usefixtures("local_zone")
def test_a_stored_time_survives_the_hour_that_comes_twice_and_the_one_that_never_comes() -> None:
    new_year = datetime(2011, 12, 20)  # noqa: DTZ001 -- naive UTC; Samoa skipped a day ten days later
    moments = [new_year + timedelta(minutes=55 * count, microseconds=count) for count in range(10_000)]
    for moment in moments:
        local = to_local_time(moment)
        assert local is not None
        assert local.tzinfo is None
        assert to_stored_time(local) == moment


@pytest.mark.usefixtures("local_zone")
@given(UTC_TIMES)
def test_a_local_time_is_the_same_moment(moment: datetime) -> None:
    local = to_local_time(moment)
    assert local is not None
    assert local.timestamp() == moment.replace(tzinfo=timezone.utc).timestamp()


def test_no_time_is_no_time() -> None:
    assert to_local_time(None) is None
    assert to_stored_time(None) is None
