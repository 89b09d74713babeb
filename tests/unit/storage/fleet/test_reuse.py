from __future__ import annotations

import json
import math
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, distribution_to_json

from hpotool.storage.fleet.origins import OriginHashes
from hpotool.storage.fleet.reuse import REUSED, Candidate, find_reusable
from hpotool.study.origins.content import Origin, Part

FLOAT = distribution_to_json(FloatDistribution(0, 1))
CHOICE = distribution_to_json(CategoricalDistribution(["a", None, 3]))


def _find(**changes: Any) -> Candidate:
    row = {
        "study": "first",
        "number": 4,
        "spec": {"study": "first"},
        "reason": None,
        "values": [[0.1, "FINITE"], [None, "INF_NEG"]],
        "params": [["x", 0.5, FLOAT], ["kind", 1.0, CHOICE]],
        "steps": [[0, None, "NAN"], [1, 0.25, "FINITE"]],
        "user": {"note": json.dumps("kept")},
        "system": {"constraints:size": "-2.0"},
    }
    sent: list[Any] = []

    def run(statement: str, parameters: Any) -> list[Any]:
        sent.append(parameters)
        return [tuple((row | changes).values())]

    [found] = find_reusable(run, 7, 5, 3, OriginHashes("c", None))
    assert sent == [{"study_id": 7, "seed": 5, "root_number": 3, "code_hash": "c", "data_hash": None}]
    return found


def test_a_row_is_the_trial_as_it_was() -> None:
    found = _find()
    assert found.trial.values == [0.1, -math.inf]
    assert found.trial.params == {"x": 0.5, "kind": None}
    assert math.isnan(found.trial.intermediate_values[0])
    assert found.trial.intermediate_values[1] == 0.25
    assert found.trial.user_attrs == {"note": "kept"}
    assert found.trial.system_attrs["constraints:size"] == -2.0
    assert (found.reason, found.origin) == ("", {"study": "first", "trial": 4})


def test_a_trial_without_parameters_reports_or_attributes_is_one_too() -> None:
    found = _find(params=None, steps=None, user=None, system=None)
    assert (found.trial.params, found.trial.intermediate_values, found.trial.user_attrs) == ({}, {}, {})


def test_a_result_that_was_taken_over_itself_names_where_it_ran() -> None:
    origin = {"study": "before", "trial": 1}
    assert _find(system={REUSED: json.dumps(origin)}).origin == origin


@pytest.mark.parametrize(
    ("code", "data", "is_known"),
    [
        ({"files": {"a.py": "1"}, "tree": "t"}, None, True),
        ({"files": {"a.py": "1"}, "tree": "t"}, {"rows": {"hash": "1"}}, True),
        ({"files": {"a.py": "1"}, "tree": "t"}, {"rows": {"trouble": "it is not there"}}, False),
        ({"files": {}, "tree": "t"}, None, False),
        ({"files": {"a.py": "1"}}, None, False),
    ],
)
def test_what_cannot_be_read_equals_nothing(code: Any, data: Any, is_known: bool) -> None:
    parts = Part("code", code), None if data is None else Part("data", data), Part("environment", {})
    assert OriginHashes.of(Origin(*parts)).is_known is is_known
    assert not OriginHashes().is_known
