"""Fills in a command's argument templates and environment for one trial. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from string import Formatter
from typing import Any

from hpotool.errors import InputError
from hpotool.study.command_template import ENVIRONMENT, Argument, parameter_variable, present_arguments
from hpotool.study.spec import ParameterSpec

_FORMATTER = Formatter()
_NEGATIVE_EXPONENT = re.compile(r"-\d+(\.\d+)?e[-+]?\d+")
# Text that Hydra accepts without quotes and that is not one of its keywords.
_PLAIN_OVERRIDE = re.compile(
    r"(?!(?:true|false|null|nan|inf)$)[A-Za-z_][A-Za-z0-9_./-]*", re.IGNORECASE | re.ASCII
)


class AbsentError(KeyError):
    """A template names a parameter that does not exist in this trial because its condition does not hold."""


def fill_arguments(
    arguments: Sequence[Argument],
    values: Mapping[str, Any],
    space: Sequence[ParameterSpec],
    environment: Mapping[str, str],
) -> list[str]:
    """The arguments of a trial, with ``{name}`` from ``values`` and ``${NAME}`` from ``environment``.

    ``{args}`` and ``{overrides}`` become the trial's parameters in the order of ``space``. ``present_arguments``
    decides what is left out if a parameter does not exist.

    Raises:
        InputError: an environment variable is not set.
    """
    known = [parameter.name for parameter in space]
    params = {name: values[name] for name in known if name in values}
    filled: list[str] = []
    for argument in present_arguments(arguments, [name for name in known if name not in values]):
        if argument.template == "{args}":
            filled += spell_options(params)
        elif argument.template == "{overrides}":
            filled += spell_overrides(params)
        else:
            filled.append(fill_template(argument.template, values, known, environment))
    return filled


def fill_template(
    template: str, values: Mapping[str, Any], known: Sequence[str], environment: Mapping[str, str]
) -> str:
    """Fill in one template; ``{{`` and ``}}`` are braces, and a name may have a format, as in ``{lr:.3g}``.

    Raises:
        AbsentError: it names a parameter, one of ``known``, that this trial does not have.
        InputError: it names anything else that does not exist.
    """
    parts = ENVIRONMENT.split(template)  # text, name, text, name, …, text
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
    return [name for template in templates for name in ENVIRONMENT.findall(template)]


def _fill_text(text: str, values: Mapping[str, Any], known: Sequence[str]) -> str:
    filled = ""
    for literal, name, form, _ in _FORMATTER.parse(text):
        filled += literal
        if name is None:
            continue
        if name not in values:
            raise (
                AbsentError(name)
                if name in known
                else InputError(
                    f"{{{name}}} is not a parameter of this trial",
                    f"write {{{{{name}}}}} for the braces themselves; parameters: {', '.join(known) or 'none'}",
                )
            )
        filled += _spell_formatted(values[name], form) if form else spell(values[name])
    return filled


def spell(value: Any) -> str:
    """A value as text for a program: numbers so that they read back exactly, true/false/null as in JSON.

    Negative numbers have no exponent, because argparse takes ``-1e-05`` for an option but ``-0.00001`` for a
    number.
    """
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return _without_exponent(repr(value))


def spell_json(params: Mapping[str, Any]) -> str:
    """The parameters as one JSON object, with numbers as written by ``spell``."""
    pairs = (
        f"{json.dumps(name)}: {json.dumps(value) if isinstance(value, str) else spell(value)}"
        for name, value in params.items()
    )
    return f"{{{', '.join(pairs)}}}"


def spell_options(params: Mapping[str, Any]) -> list[str]:
    """``--lr 0.1 --depth 3``; true is ``--name`` and false ``--no-name``, as in argparse, click and tyro.

    Text that begins with ``-`` is joined by ``=``, because by itself it would be taken for an option.
    """
    options: list[str] = []
    for name, value in params.items():
        if isinstance(value, bool):
            options.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, str) and value.startswith("-"):
            options.append(f"--{name}={value}")
        else:
            options += [f"--{name}", spell(value)]
    return options


def spell_overrides(params: Mapping[str, Any]) -> list[str]:
    """``lr=0.1 depth=3`` in Hydra's syntax, with text quoted that Hydra would read as something else."""
    return [f"{name}={_override_value(value)}" for name, value in params.items()]


def parameter_variables(params: Mapping[str, Any]) -> dict[str, str]:
    """``HPOTOOL_PARAM_<NAME>`` for each parameter."""
    return {parameter_variable(name): spell(value) for name, value in params.items()}


def _override_value(value: Any) -> str:
    if not isinstance(value, str):
        return spell(value)
    if _PLAIN_OVERRIDE.fullmatch(value):
        return value
    # OmegaConf reads \${ as a literal, and Hydra \' as a quote; backslashes before either are doubled.
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)
    text = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", text) + "'"


def _spell_formatted(value: Any, form: str) -> str:
    text = format(value, form)
    return text if form[-1] in "eE" else _without_exponent(text)


def _without_exponent(text: str) -> str:
    if not _NEGATIVE_EXPONENT.fullmatch(text):
        return text
    digits = format(Decimal(text), "f")
    return digits if "." in digits else f"{digits}.0"
