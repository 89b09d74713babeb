"""Operations on a search space: which parameters exist for given values, and whether a point lies in the space."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from difflib import get_close_matches
from graphlib import TopologicalSorter
from typing import Any, Protocol

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from hpotool.study.spec import NO_DEFAULT, ParameterSpec
from hpotool.study.yaml.document import parse_scalar

_ABSENT = object()
_SAID_CHOICES = 50


class Suggests(Protocol):
    """The part of ``optuna.Trial`` that a search space needs."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Like ``optuna.Trial.suggest_float``."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Like ``optuna.Trial.suggest_int``."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Like ``optuna.Trial.suggest_categorical``."""


def order_parameters(space: Sequence[ParameterSpec]) -> tuple[ParameterSpec, ...]:
    """The parameters, each after its parents and otherwise in their own order."""
    by_name = {parameter.name: parameter for parameter in space}
    parents = {parameter.name: [name for name in parameter.when if name in by_name] for parameter in space}
    return tuple(by_name[name] for name in TopologicalSorter(parents).static_order())


def is_active(parameter: ParameterSpec, values: Mapping[str, Any]) -> bool:
    """Whether ``parameter`` exists, given the values of the parameters before it that exist."""
    return all(parent in values and values[parent] in wanted for parent, wanted in parameter.when.items())


def suggest_search_space(space: Sequence[ParameterSpec], trial: Suggests) -> dict[str, Any]:
    """Suggest every parameter that exists in this trial, parents first; return their values by name."""
    values: dict[str, Any] = {}
    for parameter in order_parameters(space):
        if is_active(parameter, values):
            values[parameter.name] = _suggest(parameter, trial)
    return values


def _suggest(parameter: ParameterSpec, trial: Suggests) -> Any:
    distribution = parameter.distribution
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(
            parameter.name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            parameter.name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    assert isinstance(distribution, CategoricalDistribution)
    return trial.suggest_categorical(parameter.name, distribution.choices)


def check_point(
    space: Sequence[ParameterSpec], point: Mapping[str, Any], *, partial: bool = False
) -> tuple[dict[str, Any], dict[str, str]]:
    """``point`` with its values in the space's own form, and its problems: parameter name → sentence.

    A missing parameter that would exist is a problem too, unless ``partial`` leaves it to the sampler.
    """
    by_name = {parameter.name: parameter for parameter in space}
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    meant: set[str] = set()  # the parameters that misspelled names stand for are not missing
    for name, value in point.items():
        if name not in by_name:
            close = get_close_matches(name, list(by_name), n=1, cutoff=0.6)
            meant.update(close)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(by_name)}"
            wrong[name] = f"{name!r} is not in the search space; {hint}"
            continue
        try:
            values[name] = given_value(by_name[name].distribution, value)
        except ValueError as error:
            wrong[name] = f"{name!r} {error}"
    for parameter in order_parameters(space):
        if set(parameter.when) & set(wrong):
            continue
        # A partial point leaves parents to the sampler, so only a given parent can rule a parameter out.
        known = {parent: wanted for parent, wanted in parameter.when.items() if parent in values or not partial}
        if not is_active(replace(parameter, when=known), values):
            if values.pop(parameter.name, _ABSENT) is not _ABSENT:
                only = f"only exists when {_describe_when(parameter)}"
                wrong[parameter.name] = f"{parameter.name!r} {only}; leave it out here"
        elif parameter.name not in {*point, *meant} and not partial:
            wrong[parameter.name] = (
                f"{parameter.name!r} is missing; it is {describe_range(parameter.distribution)}"
            )
    return values, wrong


def transfer_point(space: Sequence[ParameterSpec], point: Mapping[str, Any]) -> dict[str, Any] | None:
    """A point of another study, moved into this space; None if one of its values does not exist here.

    Parameters that are not in this space are left out. A parameter that the point lacks gets its default, the
    value that the other study effectively used; without a default, the sampler chooses.
    """
    moved: dict[str, Any] = {}
    for parameter in order_parameters(space):
        if parameter.name in point:
            moved[parameter.name] = point[parameter.name]
        elif parameter.default is not NO_DEFAULT and is_active(parameter, moved):
            moved[parameter.name] = parameter.default
    values, wrong = check_point(space, moved, partial=True)
    return None if wrong else values


def complete_params(
    space: Sequence[ParameterSpec], params: Mapping[str, Any], from_code: Collection[str] = ()
) -> dict[str, Any] | None:
    """A finished trial's parameters in this space's form; None if this space could not have suggested them.

    Because a result was measured, no parameter is left out or left to the sampler; only a parameter with a default
    gets the value that trials without it effectively used. The objective itself suggests those in ``from_code``,
    within bounds of its own.
    """
    known = {parameter.name for parameter in space}
    rest = {name: value for name, value in params.items() if name in from_code and name not in known}
    moved = {name: value for name, value in params.items() if name not in rest}
    for parameter in order_parameters(space):
        has_default = parameter.default is not NO_DEFAULT and parameter.name not in moved
        if has_default and is_active(parameter, moved):
            moved[parameter.name] = parameter.default
    values, wrong = check_point(space, moved)
    return None if wrong else {**values, **rest}


def _describe_when(parameter: ParameterSpec) -> str:
    return " and ".join(
        f"{parent} is {' or '.join(str(value) for value in values)}" for parent, values in parameter.when.items()
    )


def is_given_by(distribution: BaseDistribution, value: Any) -> bool:
    """Whether ``distribution`` can give ``value``."""
    try:
        given_value(distribution, value)
    except ValueError:
        return False
    return True


def given_value(distribution: BaseDistribution, value: Any) -> Any:
    """``value`` in the form in which ``distribution`` would suggest it; see ``canonical_value``.

    Raises:
        ValueError: the distribution cannot suggest it; the message completes a sentence that begins with the name.
    """
    if isinstance(distribution, CategoricalDistribution):
        return _given_choice(distribution, value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    if not is_number or (isinstance(distribution, IntDistribution) and value != value // 1):
        raise ValueError(f"must be {describe_range(distribution)}, got {value!r}")
    if not distribution.low <= value <= distribution.high:
        raise ValueError(f"must be {describe_range(distribution)}, got {value!r}")
    value = float(value) if isinstance(distribution, FloatDistribution) else int(value)
    if distribution.step is not None and not distribution._contains(distribution.to_internal_repr(value)):
        between = f"between the steps {_steps_around(distribution, value)}"
        raise ValueError(f"must be {describe_range(distribution)}, got {value!r} {between}")
    return canonical_value(distribution, value)


def canonical_value(distribution: BaseDistribution, value: Any) -> Any:
    """``value`` as a person would write it, among the numbers that stand for the same value of ``distribution``.

    For a float, 1 is 1.0; with a step of 0.1, the 0.30000000000000004 that a sampler computes is 0.3. A value that
    ``distribution`` cannot suggest is unchanged: it belongs to a trial from before the range was changed.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or isinstance(distribution, CategoricalDistribution):
        return value
    if isinstance(distribution, IntDistribution):
        return int(value) if value == int(value) else value
    assert isinstance(distribution, FloatDistribution)
    if distribution.step is None or not distribution._contains(value):
        return float(value) + 0.0  # -0.0 is 0.0
    low, step = Decimal(str(distribution.low)), Decimal(str(distribution.step))
    return float(low + round((value - distribution.low) / distribution.step) * step)


def canonical_point(distributions: Mapping[str, BaseDistribution], point: Mapping[str, Any]) -> dict[str, Any]:
    """``point`` with canonical values for all parameters in ``distributions``."""
    return {
        name: canonical_value(distributions[name], value) if name in distributions else value
        for name, value in point.items()
    }


def _steps_around(distribution: FloatDistribution | IntDistribution, value: float) -> str:
    low, step = Decimal(str(distribution.low)), Decimal(str(distribution.step))
    below = (Decimal(str(value)) - low) // step * step + low
    return f"{below.normalize():f} and {(below + step).normalize():f}"


def _given_choice(distribution: CategoricalDistribution, value: Any) -> Any:
    for choice in distribution.choices:
        # True == 1 in Python; in a study file, they are different values.
        if choice == value and isinstance(choice, bool) == isinstance(value, bool):
            return choice
    raise ValueError(f"must be {describe_range(distribution)}, got {value!r}")


def describe_range(distribution: BaseDistribution) -> str:
    """The values of ``distribution``, in words."""
    if isinstance(distribution, CategoricalDistribution):
        choices = [_describe_choice(choice) for choice in distribution.choices[:_SAID_CHOICES]]
        if len(distribution.choices) == 1:
            return f"always {choices[0]}"
        rest = len(distribution.choices) - len(choices)
        return f"one of {', '.join(choices)}" + (f" and {rest} more" if rest else "")
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    kind = "a float" if isinstance(distribution, FloatDistribution) else "an int"
    has_step = distribution.step is not None and (
        isinstance(distribution, FloatDistribution) or distribution.step != 1
    )
    steps = f" in steps of {say_number(distribution.step or 1)}" if has_step else ""
    return f"{kind} from {say_number(distribution.low)} to {say_number(distribution.high)}{steps}"


def say_number(number: float) -> str:
    """``number`` in a message: short, and exactly as it would have to be typed."""
    text = f"{number:g}"
    return text if isinstance(number, float) and float(text) == number else repr(number)


def parameter_as_data(parameter: ParameterSpec) -> dict[str, Any]:
    """Return the entry of ``parameter`` in a study file: its kind, conditions and default."""
    distribution = parameter.distribution
    content: dict[str, Any]
    if isinstance(distribution, CategoricalDistribution):
        content = {"choice": list(distribution.choices)}
    else:
        assert isinstance(distribution, (FloatDistribution, IntDistribution))
        head = "float" if isinstance(distribution, FloatDistribution) else "int"
        content = {head: [distribution.low, distribution.high]}
        if distribution.log:
            content["log"] = True
        elif distribution.step is not None and not (head == "int" and distribution.step == 1):
            content["step"] = distribution.step
    if parameter.when:
        content["when"] = {parent: list(values) for parent, values in parameter.when.items()}
    if parameter.default is not NO_DEFAULT:
        content["default"] = parameter.default
    return content


def _describe_choice(choice: Any) -> str:
    """A choice as it would be typed: text that YAML would read as a number or a boolean is quoted."""
    if not isinstance(choice, str):
        return repr(choice)
    return choice if parse_scalar(choice) == choice else f'"{choice}"'
