"""A running trial is what was written to it, and no copy of it ever changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpotool.storage.optuna.decoding import TrialDecoder
from hpotool.storage.optuna.live_trial import LiveTrial

SPACE = FloatDistribution(0, 1)
WRITES = st.lists(
    st.tuples(st.just("param"), st.sampled_from("ab"), st.floats(0, 1))
    | st.tuples(st.just("step"), st.integers(0, 3), st.floats(-1, 1))
    | st.tuples(st.sampled_from(["user", "system"]), st.sampled_from("kl"), st.lists(st.integers(), max_size=2)),
    max_size=10,
)


def write(live: LiveTrial, kind: str, key: Any, value: Any) -> None:
    if kind == "param":
        live.set_param(key, value, SPACE)
    elif kind == "step":
        live.set_step(key, value)
    elif kind == "user":
        live.set_user_attr(key, value)
    else:
        live.set_system_attr(key, value)


def content(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "param": dict(trial.params),
        "step": dict(trial.intermediate_values),
        "user": trial.user_attrs,
        "system": trial._system_attrs,
    }


@given(WRITES)
def test_every_copy_is_what_was_written_until_then_and_stays_so(writes: list[tuple[str, Any, Any]]) -> None:
    live = LiveTrial(1, create_trial(state=TrialState.RUNNING))
    expected: dict[str, dict[Any, Any]] = {"param": {}, "step": {}, "user": {}, "system": {}}
    copies = []
    for kind, key, value in writes:
        write(live, kind, key, value)
        expected[kind][key] = value
        snapshot = {part: dict(written) for part, written in expected.items()}
        copies += [(live.shared(), snapshot), (live.frozen(), snapshot)]
        assert live.system_attrs() == snapshot["system"]
        assert all(live.has_param(name) for name in snapshot["param"])
    for copied, snapshot in copies:
        assert content(copied) == snapshot
    ended = live.finished(TrialDecoder(lambda _: None), TrialState.COMPLETE, [1.0], None)  # type: ignore[arg-type,return-value]
    assert content(ended) == expected
    assert ended.values == [1.0]


@given(WRITES)
def test_changing_a_frozen_copy_changes_nothing_else(writes: list[tuple[str, Any, Any]]) -> None:
    live = LiveTrial(1, create_trial(state=TrialState.RUNNING))
    for kind, key, value in writes:
        write(live, kind, key, value)
    before = content(live.frozen())
    changed = live.frozen()
    changed.user_attrs["new"] = 1
    for values in changed.user_attrs.values():
        if isinstance(values, list):
            values.append("changed")
    changed.intermediate_values[99] = 9.0
    changed._params["new"] = 0.5
    assert content(live.frozen()) == before
