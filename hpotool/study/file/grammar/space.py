"""Reads the search space of a study file: parameters, conditions, and groups that share conditions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from graphlib import CycleError, TopologicalSorter
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hpotool.study.doors import LARGEST_EXACT
from hpotool.study.file.grammar.kinds import BROKEN, Anything, Flag, Items, Number, Plain, Table, Text, describe
from hpotool.study.space import describe_range, given_value, is_given_by, parameter_as_data, say_number
from hpotool.study.spec import NO_DEFAULT, ParameterSpec
from hpotool.study.yaml.document import Entry, Node, Place, Problems, did_you_mean

_FORMS = "{float: [low, high]}, {int: [low, high]}, {choice: [a, b]}, {const: a} or {group: {…}}"
_HEADS = ("float", "int", "choice", "const", "group")
_MOST_STEPS = 2**53  # floats cannot tell more of them apart
_MOST_CHOICES = 10_000  # every trial stores all choices with its parameter
_KEYS = {
    "float": ("float", "log", "step", "when", "default"),
    "int": ("int", "log", "step", "when", "default"),
    "choice": ("choice", "when", "default"),
    "const": ("const", "when"),
    "group": ("group", "when"),
}


def check_parameter_name(name: str) -> str:
    """Return ``name`` if it can name a parameter in a command, an environment variable and a database column.

    Raises:
        ValueError: it cannot.
    """
    if len(name) > 500:
        raise ValueError("a parameter's name has at most 500 characters")
    if any(character.isspace() or not character.isprintable() or character in "{}=" for character in name):
        raise ValueError(
            f"the parameter name {name!r} has a space, '=', '{{' or '}}' in it; use letters, digits, . _ -"
        )
    return name


PARAMETER_NAME = Text("a parameter's name", check_parameter_name)


@dataclass
class Condition:
    """A condition: its place, and the required values of the parent."""

    place: Place
    values: list[tuple[Place, Any]]


@dataclass
class Draft:
    """A parameter as it was read, with places; ``distribution`` is None if it is broken."""

    name: str
    place: Place
    distribution: BaseDistribution | None
    when: list[tuple[str, Condition]]
    default: Node | None = None


class SearchSpace:
    """The kind of ``search_space``: reads drafts by name, which ``finish_parameters`` turns into parameters."""

    def read(self, node: Node, problems: Problems) -> Any:
        """The drafts of all parameters, with conditions checked against their parents."""
        drafts: dict[str, Draft] = {}
        if node.content is None:
            return drafts
        for draft in _read_parameters(node, [], problems):
            if draft.name in drafts:
                first = drafts[draft.name].place
                where = f", first on line {first.line}" if first.line else ""
                problems.add(draft.place, f"duplicate parameter {draft.name!r}{where}; rename one")
            drafts.setdefault(draft.name, draft)
        _check_conditions(drafts, problems)
        return drafts

    def write(self, value: Sequence[ParameterSpec]) -> list[dict[str, Any]]:
        """The parameters as a list, because jsonb does not keep the order of keys."""
        return [{parameter.name: parameter_as_data(parameter)} for parameter in value]

    def json_schema(self) -> dict[str, Any]:
        """Names, each with one of the five forms of a parameter."""
        return {
            "type": ["object", "array", "null"],
            "additionalProperties": {"$ref": "#/$defs/parameter"},
            "items": {"type": "object", "additionalProperties": {"$ref": "#/$defs/parameter"}},
        }


def parameter_json_schema() -> dict[str, Any]:
    """The content of ``#/$defs/parameter``."""
    scalar = Anything().json_schema()
    values = {"anyOf": [scalar, {"type": "array", "items": scalar, "minItems": 1}]}
    shared = {"when": {"type": "object", "additionalProperties": values}, "default": scalar}
    bounds = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    heads = {
        "float": bounds | {"description": "[low, high], both included"},
        "int": bounds | {"items": {"type": "integer"}, "description": "[low, high], both included"},
        "choice": {"type": "array", "items": scalar, "minItems": 1, "description": "one of these"},
        "const": scalar | {"description": "always this"},
        "group": {
            "additionalProperties": {"$ref": "#/$defs/parameter"},
            "description": "parameters that share `when`",
        },
    }
    details = {"log": Flag().json_schema(), "step": Number(above=0).json_schema(), **shared}
    return {
        "anyOf": [
            {
                "type": "object",
                "properties": {key: heads[key] if key == head else details[key] for key in _KEYS[head]},
                "required": [head],
                "additionalProperties": False,
            }
            for head in _HEADS
        ]
    }


def finish_parameters(drafts: Mapping[str, Draft], problems: Problems) -> tuple[ParameterSpec, ...]:
    """The parameters without problems."""
    parameters = []
    for draft in drafts.values():
        if draft.distribution is None:
            continue
        when: dict[str, tuple[Any, ...]] = {}
        for parent, condition in draft.when:
            if parent in drafts:
                values = _values_of(drafts[parent], condition)
                # If a group and its member both have a condition on the same parent, both must hold.
                when[parent] = tuple(value for value in when.get(parent, values) if value in values)
                if values and not when[parent]:
                    sentence = f"{draft.name!r} never exists: its group requires another value of {parent!r}"
                    problems.add(condition.place, f"{sentence}; make the two conditions agree")
        default = NO_DEFAULT if draft.default is None else _read_default(draft, problems)
        parameters.append(ParameterSpec(draft.name, draft.distribution, when, default))
    return tuple(parameters)


def _read_default(draft: Draft, problems: Problems) -> Any:
    assert draft.default is not None
    assert draft.distribution is not None
    try:
        return given_value(draft.distribution, draft.default.plain())
    except ValueError as error:
        problems.add(draft.default.place, f"the default of {draft.name!r} {error}")
        return NO_DEFAULT


def _values_of(parent: Draft, condition: Condition) -> tuple[Any, ...]:
    """The condition's values in the parent's form; impossible values were already reported."""
    if parent.distribution is None:
        return tuple(value for _, value in condition.values)
    possible = (value for _, value in condition.values if is_given_by(parent.distribution, value))
    return tuple(given_value(parent.distribution, value) for value in possible)


def _read_parameters(node: Node, outer: list[tuple[str, Condition]], problems: Problems) -> Iterator[Draft]:
    table = Table(_Untouched(), PARAMETER_NAME, "parameters, like lr: {float: [1.0e-5, 1.0e-1], log: true}")
    entries = table.read(node, problems)
    if entries is BROKEN:
        return
    for name, entry_node in entries.items():
        yield from _read_parameter(name, entry_node, outer, problems)


class _Untouched(Plain):
    """Returns the node unchanged, for a reader that needs its places."""

    def read(self, node: Node, problems: Problems) -> Any:
        return node

    def json_schema(self) -> dict[str, Any]:
        return {}


def _read_parameter(
    name: str, node: Node, outer: list[tuple[str, Condition]], problems: Problems
) -> Iterator[Draft]:
    content = node.content
    if not isinstance(content, dict):
        fix = (
            f"; for a value that never changes write {{const: {content}}}" if not isinstance(content, list) else ""
        )
        fix = "; write {choice: […]} around the list" if isinstance(content, list) else fix
        problems.add(node.place, f"the parameter {name!r} is {describe(node)}, but must be one of {_FORMS}{fix}")
        yield Draft(name, node.place, None, [])
        return
    heads = [head for head in _HEADS if head in content]
    if len(heads) != 1:
        found = f"has {' and '.join(heads)}, but must be one" if heads else "has no kind; write one"
        problems.add(node.place, f"the parameter {name!r} {found} of {_FORMS}")
        yield Draft(name, node.place, None, [])
        return
    [head] = heads
    for key, entry in content.items():
        if key not in _KEYS[head]:
            hint = did_you_mean(key, _KEYS[head])
            problems.add_unknown_key(
                entry.key_place, f"unknown key {key!r} in the {head} parameter {name!r}{hint}"
            )
    when = outer + (_read_when(content["when"], problems) if "when" in content else [])
    if head == "group":
        yield from _read_parameters(content["group"].value, when, problems)
        return
    default = content["default"].value if "default" in content else None
    yield Draft(name, node.place, _READERS[head](content, problems), when, default)


def _read_when(entry: Entry, problems: Problems) -> list[tuple[str, Condition]]:
    content = entry.value.content
    if not isinstance(content, dict) or not content:
        problems.add(
            entry.value.place,
            f"expected parents with their values, like when: {{booster: dart}}, got {describe(entry.value)}",
        )
        return []
    conditions = []
    for parent, parent_entry in content.items():
        node = parent_entry.value
        nodes = node.content if isinstance(node.content, list) else [node]
        if not nodes:
            problems.add(node.place, f"the condition on {parent!r} lists no value; name at least one")
        values = [(item.place, Anything().read(item, problems)) for item in nodes]
        good = [(place, value) for place, value in values if value is not BROKEN]
        conditions.append((parent, Condition(parent_entry.key_place, good)))
    return conditions


def _read_bounds(content: dict[str, Entry], head: str, problems: Problems) -> tuple[Any, Any] | None:
    node = content[head].value
    bounds = Items(Number(whole=head == "int"), "two numbers, [low, high]").read(node, problems)
    if bounds is BROKEN or BROKEN in bounds:
        return None
    if len(bounds) != 2:
        problems.add(node.place, f"expected two numbers, [low, high], got {len(bounds)}")
        return None
    low, high = bounds
    if high < low:
        high, low = say_number(high), say_number(low)
        problems.add(node.place, f"high {high} is below low {low}; write [{high}, {low}]")
        return None
    if head == "int" and max(abs(low), abs(high)) > LARGEST_EXACT:
        too_large = next(bound for bound in (high, low) if abs(bound) > LARGEST_EXACT)
        problems.add(
            node.place,
            f"{say_number(too_large)} is beyond ±{LARGEST_EXACT} (2^53), where whole numbers are not stored "
            "exactly; write a narrower range, or use the parameter as an offset or a multiple",
        )
        return None
    return low, high


def _read_range(content: dict[str, Entry], head: str, problems: Problems) -> tuple[Any, Any, bool, Any] | None:
    bounds = _read_bounds(content, head, problems)
    log = Flag().read(content["log"].value, problems) if "log" in content else False
    step = None
    if "step" in content:
        step = Number(whole=head == "int", above=0).read(content["step"].value, problems)
    if bounds is None or log is BROKEN or step is BROKEN:
        return None
    low, high = bounds
    if log and step is not None:
        problems.add(content["step"].key_place, "a step cannot be combined with log: true; remove one of the two")
        return None
    if log and low <= 0:
        least = "1 or more" if head == "int" else "above 0, like 1.0e-5"
        problems.add(content[head].value.place, f"with log: true, low must be {least}, got {say_number(low)}")
        return None
    if step is not None and not _check_step(content["step"].value.place, low, high, step, problems):
        return None
    return low, high, log, step


def _check_step(place: Place, low: float, high: float, step: float, problems: Problems) -> bool:
    d_low, d_high, d_step = (Decimal(str(number)) for number in (low, high, step))
    if isinstance(step, float) and (d_high - d_low) / d_step > _MOST_STEPS:
        problems.add(place, "this step is too small for the range; make it larger, or remove it")
        return False
    if (d_high - d_low) % d_step == 0:
        return True
    below = (d_high - d_low) // d_step * d_step + d_low
    steps = f"steps of {say_number(step)} from {say_number(low)}"
    fix = f"make high {below.normalize():f} or {(below + d_step).normalize():f}"
    problems.add(place, f"{steps} do not reach high {say_number(high)}; {fix}, or change the step")
    return False


def _read_float(content: dict[str, Entry], problems: Problems) -> BaseDistribution | None:
    parts = _read_range(content, "float", problems)
    if parts is None:
        return None
    low, high, log, step = parts
    if not math.isfinite(high - low):
        problems.add(content["float"].value.place, "this range is too wide for a float; write a narrower one")
        return None
    return FloatDistribution(low, high, log=log, step=step)


def _read_int(content: dict[str, Entry], problems: Problems) -> BaseDistribution | None:
    parts = _read_range(content, "int", problems)
    if parts is None:
        return None
    low, high, log, step = parts
    return IntDistribution(low, high, log=log, step=step or 1)


def _read_choice(content: dict[str, Entry], problems: Problems) -> BaseDistribution | None:
    node = content["choice"].value
    if isinstance(node.content, list) and len(node.content) > _MOST_CHOICES:
        sentence = f"{len(node.content)} choices are more than {_MOST_CHOICES}"
        problems.add(node.place, f"{sentence}; write a range, {{int: [0, {len(node.content) - 1}]}}, as an index")
        return None
    choices = Items(Anything(), "values to choose from, like [gbtree, dart]", at_least=1).read(node, problems)
    if choices is BROKEN or BROKEN in choices:
        return None
    seen: dict[Any, Any] = {}
    for index, choice in enumerate(choices):
        # In Python, True == 1 == 1.0, and Optuna compares choices in the same way.
        same = seen.setdefault(choice, choice)
        if same is not choice or index != len(seen) - 1:
            assert isinstance(node.content, list)
            problems.add(
                node.content[index].place,
                f"duplicate choice {choice!r}"
                + (f" (equal to {same!r} in Python)" if repr(same) != repr(choice) else "")
                + "; keep one",
            )
            return None
    return CategoricalDistribution(choices)


def _read_const(content: dict[str, Entry], problems: Problems) -> BaseDistribution | None:
    value = Anything().read(content["const"].value, problems)
    return None if value is BROKEN else CategoricalDistribution((value,))


_READERS = {"float": _read_float, "int": _read_int, "choice": _read_choice, "const": _read_const}


def _check_conditions(drafts: dict[str, Draft], problems: Problems) -> None:
    for draft in drafts.values():
        for parent_name, condition in draft.when:
            if parent_name not in drafts:
                hint = did_you_mean(parent_name, [name for name in drafts if name != draft.name])
                problems.add(
                    condition.place, f"{draft.name!r} depends on {parent_name!r}, which is not a parameter{hint}"
                )
                continue
            _check_values(draft, drafts[parent_name], condition, problems)
    for cycle in _cycles(drafts):
        place = next(condition.place for parent, condition in drafts[cycle[0]].when if parent == cycle[1])
        problems.add(place, f"the conditions form a circle ({' → '.join(cycle)}); remove one of them")


def _check_values(draft: Draft, parent: Draft, condition: Condition, problems: Problems) -> None:
    if parent.distribution is None:
        return
    if isinstance(parent.distribution, FloatDistribution):
        problems.add(
            condition.place,
            f"{draft.name!r} cannot depend on {parent.name!r}, a float; only on a choice, a const or an int",
        )
        return
    for place, value in condition.values:
        if not is_given_by(parent.distribution, value):
            problems.add(place, f"{parent.name!r} is never {value!r}: it is {describe_range(parent.distribution)}")


def _cycles(drafts: dict[str, Draft]) -> Iterator[list[str]]:
    """Circles of conditions, in which each name depends on the next; no two circles share a name."""
    parents = {draft.name: [name for name, _ in draft.when if name in drafts] for draft in drafts.values()}
    while cycle := _first_cycle(parents):
        yield cycle
        parents |= {name: [] for name in cycle}


def _first_cycle(parents: Mapping[str, Sequence[str]]) -> list[str]:
    try:
        TopologicalSorter(parents).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []
