"""A command's argument templates and its environment, filled in for one trial. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from hpotool.errors import InputError

# The doubled dollar keeps ${NAME} as it is, for programs that want to read it themselves.
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)\}")
_FORMATTER = Formatter()


class AbsentError(KeyError):
    """A template names a parameter that does not exist in this trial, because its condition does not hold."""


def fill_arguments(
    templates: Sequence[str], values: Mapping[str, Any], known: Sequence[str], environment: Mapping[str, str]
) -> list[str]:
    """The arguments, with ``{name}`` from ``values`` and ``${NAME}`` from ``environment``.

    An argument that names a parameter absent from this trial is left out, and so is an option right before it:
    ``[--momentum, "{momentum}"]`` disappears as a whole. ``known``: the parameters that exist in some trial.

    Raises:
        InputError: an environment variable is not set.
    """
    filled: list[str] = []
    for template in templates:
        try:
            filled.append(fill_template(template, values, known, environment))
        except AbsentError:
            if filled and filled[-1].startswith("-") and template.startswith("{"):
                filled.pop()
    return filled


def fill_template(
    template: str, values: Mapping[str, Any], known: Sequence[str], environment: Mapping[str, str]
) -> str:
    """One template filled in; ``{{`` and ``}}`` are braces, a format may follow a name as in ``{lr:.3g}``."""
    parts = _VARIABLE.split(template)  # text, name, text, name, …, text
    texts = [_fill_text(text, values, known) for text in parts[::2]]
    variables = [read_variable(name, environment) for name in parts[1::2]]
    return "".join(text + variable for text, variable in zip(texts, [*variables, ""], strict=True))


def read_variable(name: str, environment: Mapping[str, str]) -> str:
    """The variable's value.

    Raises:
        InputError: it is not set.
    """
    if name not in environment:
        raise InputError(
            f"the study's command needs the environment variable {name}, which is not set here",
            f"export {name}=… before starting the worker (the database's URL and password are not passed on)",
        )
    return environment[name]


def variables_in(templates: Sequence[str]) -> list[str]:
    """The names of the environment variables that the templates need."""
    return [name for template in templates for name in _VARIABLE.findall(template)]


def _fill_text(text: str, values: Mapping[str, Any], known: Sequence[str]) -> str:
    filled = ""
    for literal, name, form, _ in _FORMATTER.parse(text):
        filled += literal
        if name is None:
            continue
        if name not in values:
            raise (
                AbsentError(name) if name in known else InputError(f"{{{name}}} is not a parameter of this trial")
            )
        filled += format(values[name], form) if form else spell(values[name])
    return filled


def spell(value: Any) -> str:
    """A value as a program reads it: numbers so that they can be read back exactly, true/false/null as in JSON."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return repr(value)


def parameter_variables(params: Mapping[str, Any]) -> dict[str, str]:
    """``HPOTOOL_PARAM_<NAME>`` for each parameter; what is no letter, digit or underscore becomes one."""
    return {
        f"HPOTOOL_PARAM_{re.sub(r'[^A-Z0-9_]', '_', name.upper())}": spell(value) for name, value in params.items()
    }
