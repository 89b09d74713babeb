from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from hpotool.analysis.exports.export import trial_rows
from hpotool.analysis.results import TrialResult
from hpotool.analysis.trials import TrialRecord, describe_trial, list_trials
from hpotool.errors import NotFoundError
from hpotool.storage.optuna.stored_trial import to_local_time
from hpotool.study.branch import BRANCH_ATTRIBUTE, Branch
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


@pytest.mark.usefixtures("local_zone")
def test_a_trial_lasts_as_long_as_it_ran_in_the_nights_in_which_clocks_are_changed() -> None:
    study = make_study("loss")
    new_year = datetime(2026, 1, 1)  # noqa: DTZ001 -- naive UTC, as it is stored
    starts = [new_year + timedelta(hours=hour) for hour in (*range(2000, 2200, 3), *range(7100, 7400, 3))]
    for start in starts:
        found = create_trial(value=1.0)
        found.datetime_start, found.datetime_complete = (
            to_local_time(start),
            to_local_time(start + timedelta(minutes=150)),
        )
        study.add_trial(found)
    durations = [record.duration_s for record in list_trials(study)]
    assert durations == [9000.0] * len(starts)
    rows = trial_rows(study)
    assert [row["duration_s"] for row in rows] == durations
    assert [row["datetime_start"] for row in rows] == [
        start.replace(tzinfo=timezone.utc).isoformat() for start in starts
    ]


@pytest.mark.parametrize("source", [7, 1, 0])
def test_a_trial_whose_source_is_missing_or_itself_is_shown_with_what_is_known(source: int) -> None:
    """A study that was copied from elsewhere may have other numbers, or only some of its trials."""
    study = make_study("loss")
    add(study, [1.0])
    branch = Branch(predecessor=source, source=source, source_root=0, steps=3)
    add(study, [2.0], system_attrs={BRANCH_ATTRIBUTE: branch.to_attribute()})
    details = describe_trial(study, 1)
    assert details.ancestry == (() if source == 7 else (source,))
    assert json.loads(json.dumps(details.as_data()))["from"] == source


ODD = [
    "trial",
    "state",
    "outcome",
    "reason",
    "from",
    "note",
    "value_outcome",
    "param_outcome",
    "param_state",
    "loss",
]
NUMBERS = st.dictionaries(st.sampled_from(ODD), st.integers(100, 999), max_size=4)


@given(NUMBERS, NUMBERS, st.dictionaries(st.sampled_from(["owner", "loss"]), st.sampled_from(["x1", "x2"])))
def test_a_metric_or_parameter_named_like_a_column_keeps_both(
    values: dict[str, float], params: dict[str, int], tags: dict[str, str]
) -> None:
    result = TrialResult(3, values, params, {})
    record = TrialRecord(result, "COMPLETE", "complete", 2.0, (), source=1, tags=tags, note="a\nnote")
    row = record.as_row()
    cells = [value for value in row.values() if isinstance(value, int) and value >= 100]
    assert cells == [*values.values(), *params.values()]
    assert (row["trial"], row["from"], row["state"], row["outcome"]) == (3, 1, "COMPLETE", "complete")
    assert (row["duration_s"], row["reason"], row["note"]) == (2.0, None, "a note")
    assert {key: row[f"tag.{key}"] for key in tags} == tags
