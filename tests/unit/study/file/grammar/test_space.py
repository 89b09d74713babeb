"""Every range that a person may write is a distribution that Optuna takes, or a sentence that can be followed."""

import json
import math
import re
from typing import Any

import optuna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution, IntDistribution

from hpotool.errors import Problem, StudyFileError
from hpotool.study.file.reader import read_study_file
from hpotool.study.space import describe_range, given_value, parameter_as_data, say_number, suggest_search_space
from hpotool.study.spec import ParameterSpec
from hpotool.study.yaml.document import parse_yaml

HEAD = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\nsearch_space:\n"
# Numbers as people, and as programs, write them: tiny, huge, negative, whole, of many digits.
STORABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.sampled_from([0, 0.0, -0.0, 1e-320, 5e-324, 1e22, 1e30, 1.7e308, -1.7e308, 0.1, 0.3, 2**53 + 1, 1234567]),
)


def read(line: str) -> ParameterSpec:
    [parameter] = read_study_file(f"{HEAD}  x: {line}\n").search_space
    return parameter


def try_to_read(line: str) -> tuple[ParameterSpec | None, tuple[Problem, ...]]:
    try:
        return read(line), ()
    except StudyFileError as error:
        return None, error.problems


def problems_of(line: str) -> list[str]:
    with pytest.raises(StudyFileError) as caught:
        read(line)
    return [problem.message for problem in caught.value.problems]


@given(st.sampled_from(["float", "int"]), NUMBERS, NUMBERS, st.none() | NUMBERS, st.booleans())
@example("float", 0, 1e30, 0.1, False)
@example("float", 0, 1, 1e-320, False)
@example("float", -1.7e308, 1.7e308, 1e300, False)
@example("int", 1, 2**63 - 1, None, True)
@example("int", -(2**63) + 1, 2**63 - 1, 7, False)
@example("int", -1e28, 0, 1, False)
def test_any_range_is_a_distribution_from_which_optuna_draws_or_a_list_of_mistakes(
    head: str, low: float, high: float, step: float | None, log: bool
) -> None:
    line = f"{{{head}: [{low!r}, {high!r}]" + (f", step: {step!r}" if step is not None else "")
    parameter, problems = try_to_read(line + (", log: true}" if log else "}"))
    if parameter is None:
        assert problems
        assert all(problem.message and problem.line == 5 for problem in problems)
        return
    distribution: Any = parameter.distribution
    if head == "float":  # beyond 2**53, not every whole number is one
        low, high = float(low), float(high)
    assert distribution.low == low
    assert distribution.high == high
    point = {"x": low}
    trial = optuna.trial.FixedTrial(point)
    assert suggest_search_space([parameter], trial) == point
    assert given_value(distribution, high) == high
    for bound in (distribution.low, distribution.high):  # Optuna stores whole numbers as floats, too
        assert distribution.to_external_repr(distribution.to_internal_repr(bound)) == bound


@pytest.mark.parametrize("line", ["{int: [0, 9007199254740993]}", "{int: [-9007199254740993, 0], step: 1}"])
def test_whole_numbers_that_are_not_stored_exactly_are_refused(line: str) -> None:
    [message] = problems_of(line)
    assert re.search(r"993 is beyond ±9007199254740992 \(2\^53\), where .* not stored exactly", message)
    assert read(line.replace("993", "992")).distribution is not None


@given(st.sampled_from(["float", "int"]), st.data())
def test_a_correction_can_be_pasted_and_is_accepted(head: str, data: st.DataObject) -> None:
    numbers = st.integers(-(2**53), 2**53) if head == "int" else st.floats(-1e300, 1e300)
    low, high = sorted(data.draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    [message] = problems_of(f"{{{head}: [{high!r}, {low!r}]}}")
    pasted = re.search(r"write (\[.*\])", message)
    assert pasted is not None
    distribution: Any = read(f"{{{head}: {pasted[1]}}}").distribution
    assert (distribution.low, distribution.high) == (low, high)


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**6), st.integers(2, 10**4))
def test_the_two_ends_that_steps_do_reach_are_accepted(low: int, width: int, step: int) -> None:
    line = f"{{int: [{low}, HIGH], step: {step}}}"
    if width % step == 0:
        assert read(line.replace("HIGH", str(low + width))).distribution == IntDistribution(
            low, low + width, step=step
        )
        return
    [message] = problems_of(line.replace("HIGH", str(low + width)))
    below, above = (int(each) for each in re.findall(r"make high (-?\d+) or (-?\d+)", message)[0])
    assert below < low + width < above
    assert above - below == step
    for high in (below, above):
        assert read(line.replace("HIGH", str(high))).distribution == IntDistribution(low, high, step=step)


@pytest.mark.parametrize("step", ["0.1", "0.3", "1e-7", "2.5", "1e-15"])
@pytest.mark.parametrize("count", [1, 3, 7, 1000])
def test_a_step_in_decimals_reaches_what_it_reaches_on_paper(step: str, count: int) -> None:
    high = repr(float(f"{float(step) * count:.12g}"))
    distribution = read(f"{{float: [0, {high}], step: {step}}}").distribution
    assert isinstance(distribution, FloatDistribution)
    assert distribution.high == float(high)


@given(NUMBERS)
def test_a_number_in_a_message_reads_back_as_itself(number: float) -> None:
    text = say_number(number)
    value: Any = parse_yaml(f"[{text}]", None).plain()
    assert value == [number]
    assert len(text) <= len(repr(number)) or float(text) == number


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1"), (1.0, "1"), (1e-5, "1e-05"), (0.1, "0.1"), (1234567, "1234567"), (16777216.0, "16777216.0"),
     (2_000_000, "2000000"), (1e6, "1e+06"), (0.30000000000000004, "0.30000000000000004"), (-0.0, "-0")],
)  # fmt: skip
def test_a_number_in_a_message_is_short_where_nothing_is_lost(number: float, text: str) -> None:
    assert say_number(number) == text


@given(NUMBERS, NUMBERS)
def test_two_ranges_are_described_alike_only_if_they_are_equal(one: float, other: float) -> None:
    ranges = [FloatDistribution(min(bound, 0.0), max(bound, 0.0)) for bound in (float(one), float(other))]
    assert (describe_range(ranges[0]) == describe_range(ranges[1])) == (
        (ranges[0].low, ranges[0].high) == (ranges[1].low, ranges[1].high)
        and math.copysign(1, ranges[0].low) == math.copysign(1, ranges[1].low)
        and math.copysign(1, ranges[0].high) == math.copysign(1, ranges[1].high)
    )


CHOICES = st.lists(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(-1e300, 1e300)
    | st.text(STORABLE, max_size=8),
    min_size=1,
    max_size=5,
)


@given(CHOICES)
def test_choices_are_kept_in_their_order_and_types_or_two_of_them_are_equal_in_python(choices: list[Any]) -> None:
    parameter, problems = try_to_read(f"{{choice: {json.dumps(choices)}}}")
    if parameter is None:
        assert len(set(choices)) < len(choices)
        assert "duplicate choice" in problems[0].message
        return
    assert len(set(choices)) == len(choices)
    kept = parameter_as_data(parameter)["choice"]
    assert [(type(one), one) for one in kept] == [(type(one), one) for one in choices]
    for choice in choices:
        assert given_value(parameter.distribution, choice) is choice or given_value(
            parameter.distribution, choice
        ) == pytest.approx(choice)


NESTED = """
  kind: {choice: [a, b]}
  only_a:
    when: {kind: a}
    group:
      size: {int: [1, 3]}
      inner:
        when: {size: [2, 3]}
        group:
          rate: {float: [0, 1], when: {kind: [a, b]}}
"""


@pytest.mark.parametrize(
    ("point", "names"),
    [
        ({"kind": "b"}, {"kind"}),
        ({"kind": "a", "size": 1}, {"kind", "size"}),
        ({"kind": "a", "size": 3, "rate": 0.5}, {"kind", "size", "rate"}),
    ],
)
def test_a_member_of_nested_groups_exists_where_every_condition_around_it_holds(
    point: dict[str, Any], names: set[str]
) -> None:
    space = read_study_file(HEAD + NESTED).search_space
    assert set(suggest_search_space(space, optuna.trial.FixedTrial(point))) == names


@pytest.mark.parametrize(
    ("lines", "circle"),
    [
        ("  a: {choice: [1], when: {a: 1}}", "a → a"),
        ("  a: {choice: [1], when: {b: 1}}\n  b: {choice: [1], when: {a: 1}}", "→"),
        ("  g: {when: {a: 1}, group: {a: {choice: [1, 2]}}}", "a → a"),
    ],
)
def test_conditions_that_wait_for_each_other_are_a_mistake(lines: str, circle: str) -> None:
    with pytest.raises(StudyFileError, match="the conditions form a circle") as caught:
        read_study_file(f"{HEAD}{lines}\n")
    assert circle in caught.value.problems[0].message


@pytest.mark.parametrize(
    "line",
    ["{}", "[]", "3", "text", "null", "true", "{float: 1}", "{float: {}}", "{int: null}", "{choice: a}",
     "{choice: {a: 1}}", "{choice: [[1]]}", "{choice: [.inf]}", "{choice: [.nan]}", "{const: [1]}",
     "{const: .nan}",
     "{group: 3}", "{group: [x]}", "{float: [.nan, 1]}", "{float: [0, .inf]}", "{float: [0, 1], step: 0}",
     "{float: [0, 1], step: -0.1}", "{float: [0, 1], step: .nan}", "{float: [0, 1], log: 1}",
     "{int: [0.5, 2]}", "{int: [true, 2]}", "{float: ['0', 1]}", "{choice: [a], when: 3}",
     "{choice: [a], when: {}}", "{choice: [a], when: {x: a}}", "{choice: [a], default: b}",
     "{float: [0, 1], default: 2}", "{float: [0, 1], step: 0.5, default: 0.3}"],
)  # fmt: skip
def test_what_is_no_parameter_is_a_mistake_at_its_line(line: str) -> None:
    with pytest.raises(StudyFileError) as caught:
        read(line)
    assert {problem.line for problem in caught.value.problems} == {5}


def test_a_name_of_more_than_500_characters_is_refused() -> None:
    with pytest.raises(StudyFileError, match="at most 500 characters"):
        read_study_file(f"{HEAD}  {'x' * 501}: {{float: [0, 1]}}\n")
    assert read_study_file(f"{HEAD}  {'x' * 500}: {{float: [0, 1]}}\n").search_space


def test_an_empty_search_space_is_the_codes_own() -> None:
    assert read_study_file(HEAD).search_space == ()
