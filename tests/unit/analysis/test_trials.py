from __future__ import annotations

import json
import math
from datetime import datetime, timedelta

import pytest
from optuna.trial import TrialState

from hpotool.analysis.trials import describe_trial, list_trials
from hpotool.errors import NotFoundError
from tests.unit.analysis.studies import add, make_study

ATTEMPTS = {
    0: [
        {"worker": "w1", "host": "a", "slot": "0", "outcome": "lost", "reason": "no heartbeat", "duration_s": 3.0},
        {"worker": "w2", "host": "b", "slot": "1", "outcome": "oom", "reason": "CUDA", "duration_s": math.nan},
    ]
}


def test_a_trial_has_the_outcome_of_its_last_attempt() -> None:
    study = make_study()
    add(study, None, {"lr": 0.1}, state=TrialState.FAIL)
    (record,) = list_trials(study, ATTEMPTS)
    assert record.outcome == "oom"
    assert [attempt["worker"] for attempt in record.attempts] == ["w1", "w2"]


def test_what_plain_optuna_ran_has_the_outcome_that_its_state_tells() -> None:
    study = make_study()
    for state, values in [
        (TrialState.COMPLETE, [1.0]),
        (TrialState.PRUNED, None),
        (TrialState.FAIL, None),
        (TrialState.RUNNING, None),
        (TrialState.WAITING, None),
    ]:
        add(study, values, state=state)
    assert [record.outcome for record in list_trials(study)] == ["complete", "pruned", None, None, None]


def test_as_data_is_the_shape_that_programs_rely_on() -> None:
    study = make_study("loss")
    add(study, [math.inf], {"booster": None})
    data = list_trials(study, ATTEMPTS)[0].as_data()
    data = json.loads(json.dumps(data, allow_nan=False))
    assert {key: data[key] for key in ("number", "state", "values", "params")} == {
        "number": 0,
        "state": "COMPLETE",
        "values": {"loss": "inf"},
        "params": {"booster": None},
    }
    assert set(data["attempts"][0]) == {"worker", "host", "slot", "outcome", "reason", "duration_s"}


def test_states_are_selected() -> None:
    study = make_study()
    for state in (TrialState.FAIL, TrialState.WAITING, TrialState.FAIL):
        add(study, None, state=state)
    add(study, [1.0])
    assert [record.result.number for record in list_trials(study, states=["FAIL"])] == [0, 2]


def test_a_pruned_trial_of_two_metrics_has_no_values() -> None:
    study = make_study(directions=["minimize", "minimize"])
    add(study, None, state=TrialState.PRUNED)
    assert list_trials(study)[0].as_data()["values"] == {}


def test_a_trial_is_described_in_full() -> None:
    study = make_study("loss")
    add(
        study,
        [0.5],
        {"depth": 3},
        intermediate_values={2: math.nan, 0: 0.9},
        user_attrs={"path": ["a", 1]},
        system_attrs={"retry_history": [0, 4], "failed_trial": 4, "fixed_params": {"depth": 3}},
        constraints={"size": -2.0},
    )
    data = json.loads(json.dumps(describe_trial(study, 0).as_data(), allow_nan=False))
    assert data["reports"] == {"0": 0.9, "2": "nan"}
    assert data["lineage"] == [0, 4]
    assert data["constraints"] == {"size": -2.0}
    assert data["user_attributes"] == {"path": ["a", 1]}
    assert "fixed_params" not in data["system_attributes"]
    assert data["distributions"]["depth"].startswith("IntDistribution")
    assert datetime.fromisoformat(data["ended"]) - datetime.fromisoformat(data["started"]) == timedelta(
        seconds=data["duration_s"]
    )


def test_a_number_that_is_not_there_is_answered_with_those_that_are() -> None:
    study = make_study()
    with pytest.raises(NotFoundError) as caught:
        describe_trial(study, 0)
    assert caught.value.hint == "it has no trials yet"
    for _ in range(3):
        add(study, [1.0])
    with pytest.raises(NotFoundError, match="no trial 3") as caught:
        describe_trial(study, 3)
    assert caught.value.hint == "its trials are 0 to 2"
