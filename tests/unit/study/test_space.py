import math
from decimal import Decimal
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution

from hpotool.study.file.reader import read_study_file
from hpotool.study.space import (
    canonical_point,
    check_point,
    complete_params,
    given_value,
    order_parameters,
    suggest_search_space,
    transfer_point,
)
from hpotool.study.spec import ParameterSpec

SPACE = """
study: s
objective: {python: m:f}
metrics: {loss: minimize}
search_space:
  drop_rate: {float: [0.0, 0.5], step: 0.1, when: {booster: dart}}
  booster: {choice: [gbtree, dart, true, 1.5]}
  depth: {int: [2, 12]}
  fine: {float: [0, 1], when: {drop_rate_kind: b, depth: [2, 3]}}
  drop_rate_kind: {choice: [a, b], when: {booster: dart}}
  lr: {float: [1e-5, 1e-1], log: true}
"""


def space() -> tuple[ParameterSpec, ...]:
    return read_study_file(SPACE).search_space


def test_parents_come_first_and_the_rest_stays_as_written() -> None:
    names = [parameter.name for parameter in order_parameters(space())]
    assert sorted(names) == sorted(parameter.name for parameter in space())
    for parameter in space():
        for parent in parameter.when:
            assert names.index(parent) < names.index(parameter.name)


@pytest.mark.parametrize(
    ("values", "active"),
    [
        ({"booster": "gbtree", "depth": 2}, {"booster", "depth", "lr"}),
        ({"booster": "dart", "depth": 9}, {"booster", "depth", "lr", "drop_rate", "drop_rate_kind"}),
        (
            {"booster": "dart", "depth": 3, "drop_rate_kind": "b"},
            {"booster", "depth", "lr", "drop_rate", "drop_rate_kind", "fine"},
        ),
        # drop_rate_kind does not exist here, whatever value is given for it; so fine does not either.
        ({"booster": "gbtree", "depth": 3, "drop_rate_kind": "b"}, {"booster", "depth", "lr"}),
    ],
)
def test_a_parameter_exists_when_all_its_parents_do_and_have_the_value(
    values: dict[str, Any], active: set[str]
) -> None:
    given = {"lr": 0.01, "drop_rate": 0.1, "drop_rate_kind": "a", "fine": 0.5} | values
    assert set(suggest_search_space(space(), optuna.trial.FixedTrial(given))) == active


@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_suggested_is_exactly_a_complete_valid_point(seed: int) -> None:
    parameters = space()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    values = suggest_search_space(parameters, trial)
    assert trial.params == values
    by_name = {parameter.name: parameter.distribution for parameter in parameters}
    assert check_point(parameters, values) == (canonical_point(by_name, values), {})
    assert trial.distributions == {name: by_name[name] for name in values}


GOOD = {"booster": "gbtree", "depth": 2, "lr": 0.01}


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        ({"lrr": 0.1}, "'lrr' is not in the search space; did you mean 'lr'?"),
        (
            {"zzz": 0.1},
            "'zzz' is not in the search space; it has drop_rate, booster, depth, fine, drop_rate_kind, lr",
        ),
        ({"lr": 99}, "'lr' must be a float from 1e-05 to 0.1, got 99"),
        ({"lr": "0.1"}, "'lr' must be a float from 1e-05 to 0.1, got '0.1'"),
        ({"lr": True}, "'lr' must be a float from 1e-05 to 0.1, got True"),
        ({"lr": float("nan")}, "'lr' must be a float from 1e-05 to 0.1, got nan"),
        ({"lr": float("inf")}, "'lr' must be a float from 1e-05 to 0.1, got inf"),
        ({"depth": 2.5}, "'depth' must be an int from 2 to 12, got 2.5"),
        ({"depth": None}, "'depth' must be an int from 2 to 12, got None"),
        ({"depth": [2]}, "'depth' must be an int from 2 to 12, got [2]"),
        ({"depth": float("inf")}, "'depth' must be an int from 2 to 12, got inf"),
        ({"booster": "linear"}, "'booster' must be one of gbtree, dart, True, 1.5, got 'linear'"),
        ({"booster": 1}, "'booster' must be one of gbtree, dart, True, 1.5, got 1"),
        ({"drop_rate": 0.1}, "'drop_rate' only exists when booster is dart; leave it out here"),
        (
            {"booster": "dart", "drop_rate": 0.25, "drop_rate_kind": "a"},
            "'drop_rate' must be a float from 0 to 0.5 in steps of 0.1, got 0.25 between the steps 0.2 and 0.3",
        ),
        (
            {"booster": "dart", "drop_rate": 0.1},
            "'drop_rate_kind' is missing; it is one of a, b",
        ),
    ],
)
def test_a_point_outside_the_space_gets_one_sentence(point: dict[str, Any], sentence: str) -> None:
    _, wrong = check_point(space(), {**GOOD, **point})
    assert list(wrong.values()) == [sentence]


def test_an_incomplete_point_leaves_the_rest_to_the_sampler_where_that_is_allowed() -> None:
    assert check_point(space(), {"depth": 3.0}, partial=True) == ({"depth": 3}, {})
    assert set(check_point(space(), {"depth": 3})[1]) == {"booster", "lr"}


def test_a_partial_point_may_leave_out_the_parent_of_what_it_gives() -> None:
    assert check_point(space(), {"drop_rate": 0.1}, partial=True) == ({"drop_rate": 0.1}, {})


def test_values_come_back_in_the_type_that_the_space_gives() -> None:
    values, _ = check_point(
        space(), {"booster": "dart", "drop_rate": 0, "drop_rate_kind": "a", "depth": 3.0, "lr": 0.1}
    )
    assert values == {"booster": "dart", "drop_rate": 0.0, "drop_rate_kind": "a", "depth": 3, "lr": 0.1}
    assert [type(values[name]) for name in ("drop_rate", "depth")] == [float, int]


def test_a_text_that_looks_like_a_number_is_named_as_it_is_typed() -> None:
    texts = CategoricalDistribution(["1", "no", "true", "a b"])
    with pytest.raises(ValueError, match='must be one of "1", no, "true", a b, got 1'):
        given_value(texts, 1)
    with pytest.raises(ValueError, match=r"0, 1, .*, 49 and 950 more, got -1"):
        given_value(CategoricalDistribution(range(1000)), -1)


@given(st.integers(-50, 50), st.integers(1, 400), st.sampled_from([0.1, 0.05, 0.3, 1e-7, 2.5]))
def test_a_step_is_the_number_that_a_person_writes(low: int, count: int, step: float) -> None:
    start = float(low * Decimal(str(step)))
    high = float(Decimal(str(start)) + count * Decimal(str(step)))
    distribution = FloatDistribution(start, high, step=step)
    for index in (0, count // 3, count // 2, count):
        written = float(Decimal(str(distribution.low)) + index * Decimal(str(step)))
        sampled = min(distribution.low + index * step, distribution.high)
        for value in (written, sampled, math.nextafter(sampled, start)):
            if distribution._contains(value):
                assert given_value(distribution, value) == written
        assert distribution._contains(written)


@pytest.mark.parametrize(
    ("point", "moved"),
    [
        ({"x": 0.5, "k": "a"}, {"x": 0.5, "k": "a", "fresh": 3}),
        ({"x": 0.5, "k": "b"}, {"x": 0.5, "k": "b", "fresh": 3, "deep": 7}),
        ({"x": 0.5, "gone": 1}, {"x": 0.5, "fresh": 3}),
        ({"x": 5.0, "k": "a"}, None),
        ({"x": 0.5, "k": "z"}, None),
    ],
)
def test_a_point_of_another_study_is_moved_with_defaults_or_not_at_all(
    point: dict[str, Any], moved: dict[str, Any] | None
) -> None:
    space = read_study_file(
        """
study: s
objective: {python: m:f}
metrics: {loss: minimize}
search_space:
  x: {float: [0, 1]}
  k: {choice: [a, b]}
  fresh: {int: [1, 9], default: 3}
  deep: {int: [1, 9], default: 7, when: {k: b}}
  chosen: {int: [1, 9]}
"""
    ).search_space
    assert transfer_point(space, point) == moved


CONDITIONAL = """
study: s
objective: {python: m:f}
metrics: {loss: minimize}
search_space:
  lr: {float: [0, 1]}
  kind: {choice: [net, tree]}
  leaves: {int: [1, 9], when: {kind: tree}}
  seeds: {int: [1, 3], default: 2}
"""


@pytest.mark.parametrize(
    ("params", "taken"),
    [
        ({"lr": 0, "kind": "net", "seeds": 1}, {"lr": 0.0, "kind": "net", "seeds": 1}),
        ({"lr": 0.5, "kind": "tree", "leaves": 3}, {"lr": 0.5, "kind": "tree", "leaves": 3, "seeds": 2}),
        ({"lr": 0.5, "kind": "tree"}, None),  # where something is missing, nobody knows what was measured
        ({"lr": 0.5, "kind": "net", "leaves": 3}, None),
        ({"lr": 2.0, "kind": "net"}, None),
        ({"lr": 0.5, "kind": "forest"}, None),
        ({"lr": 0.5, "kind": "net", "gone": 1}, None),
        ({"lr": 0.5, "kind": "net", "own": 7}, {"lr": 0.5, "kind": "net", "seeds": 2, "own": 7}),
    ],
)
def test_a_finished_point_is_taken_over_whole_or_not_at_all(params: dict[str, Any], taken: Any) -> None:
    space = read_study_file(CONDITIONAL).search_space
    assert complete_params(space, params, from_code={"own", "lr"}) == taken
