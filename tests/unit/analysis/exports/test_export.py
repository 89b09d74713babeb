from __future__ import annotations

import csv
import io
import json
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from hpotool.analysis.exports.export import best_params, several_params, step_rows, trial_params, trial_rows
from hpotool.errors import NotFoundError
from tests.unit.analysis.studies import add, make_study


@given(st.floats(1e-5, 1.0), st.floats(allow_nan=False))
def test_floats_survive_csv_json_and_yaml_exactly(lr: float, value: float) -> None:
    study = make_study()
    add(study, [value], {"lr": lr})
    text = io.StringIO()
    rows = trial_rows(study)
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    text.seek(0)
    (row,) = csv.DictReader(text)
    assert float(row["params_lr"]) == lr
    assert float(row["values_value"]) == value
    assert json.loads(json.dumps(best_params(study)))["lr"] == lr
    assert yaml.safe_load(yaml.safe_dump(best_params(study)))["lr"] == lr


def test_choices_keep_their_types() -> None:
    for choice in ("gbtree", None, 3, 0.5, True):
        study = make_study()
        add(study, [1.0], {"booster": choice})
        read = yaml.safe_load(yaml.safe_dump(best_params(study)))["booster"]
        assert (type(read), read) == (type(choice), choice)


def test_every_row_has_every_column() -> None:
    study = make_study("loss")
    add(study, [1.0], {"lr": 0.1}, user_attrs={"tags": ["a", math.inf]}, constraints={"size": 1.0})
    add(study, None, {"drop": 0.1}, state=TrialState.FAIL)
    first, second = trial_rows(study)
    assert list(first) == list(second)
    assert list(first)[-4:] == ["params_lr", "params_drop", "constraints_size", "user_attrs_tags"]
    assert json.loads(first["user_attrs_tags"]) == ["a", "inf"]
    assert (second["state"], second["values_loss"], second["params_lr"]) == ("FAIL", None, None)


def test_rows_are_strict_json_even_with_infinite_values() -> None:
    study = make_study()
    add(study, [math.inf])
    assert json.loads(json.dumps(trial_rows(study), allow_nan=False))[0]["values_value"] == "inf"


def test_a_study_without_trials_has_no_rows() -> None:
    assert trial_rows(make_study()) == []


def test_what_is_not_there_cannot_be_exported() -> None:
    study = make_study()
    with pytest.raises(NotFoundError, match="no trial is complete yet"):
        best_params(study)
    with pytest.raises(NotFoundError, match="no trial 7"):
        trial_params(study, 7)


def test_a_front_asks_which_trial_is_meant() -> None:
    study = make_study(directions=["minimize", "minimize"])
    add(study, [1.0, 0.0], {"depth": 3})
    assert best_params(study) == {"depth": 3}
    add(study, [0.0, 1.0], {"depth": 4})
    with pytest.raises(NotFoundError, match="a Pareto front of 2"):
        best_params(study)
    assert trial_params(study, 1) == {"depth": 4}


def test_several_points_are_the_best_ones_best_first() -> None:
    study = make_study("loss")
    for value, lr in ((3.0, 0.3), (1.0, 0.1), (2.0, 0.2)):
        add(study, [value], {"lr": lr})
    assert several_params(study, 2) == [{"lr": 0.1}, {"lr": 0.2}]
    assert len(several_params(study, 9)) == 3
    with pytest.raises(NotFoundError, match="no trial is complete yet"):
        several_params(make_study("loss"), 1)


def test_each_report_is_a_row_in_the_order_of_its_step() -> None:
    study = make_study("loss")
    add(study, [1.0], intermediate_values={7: 0.5, 1: math.inf})
    add(study, None, state=TrialState.FAIL)
    assert step_rows(study) == [
        {"number": 0, "step": 1, "value": "inf"},
        {"number": 0, "step": 7, "value": 0.5},
    ]


def test_trials_that_meet_no_constraint_are_not_called_incomplete() -> None:
    study = make_study("loss")
    for value in (1.0, 2.0):
        add(study, [value], {"lr": 0.1}, constraints={"mb": 1.0})
    with pytest.raises(NotFoundError, match="none of the 2 complete trials meets every constraint"):
        several_params(study, 1)
    with pytest.raises(NotFoundError, match="none of the 2 complete trials meets every constraint"):
        best_params(study)
