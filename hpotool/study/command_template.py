"""The structure of a command, read from its templates and the search space alone, never from a trial's values.

An argument whose parameter does not exist in a trial is left out, and so is an option (what begins with ``-``)
right before it: ``--momentum {momentum}`` and ``--betas {beta1} {beta2}`` disappear as a whole. An option stays
where a constant or a parameter that always exists comes first after it, and before what belongs to nothing:
another option, a switch that a parameter spells (a constant ``--amp``), ``{args}`` and ``{overrides}``. What
carries its value in itself (``--lr={lr}``, ``-j{jobs}``) takes nothing with it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter

from optuna.distributions import CategoricalDistribution

from hpotool.study.spec import ParameterSpec

# Placeholders that become any number of arguments, so they stand alone.
SEVERAL_ARGUMENTS = ("args", "overrides")
COMMAND_FIELDS = ("params_file", "checkpoint_dir", "trial", "seed", "steps", *SEVERAL_ARGUMENTS, "args_json")
# A parameter may be called so all the same, and then has the name: there were studies before there were these.
YOUNGER_FIELDS = ("phase", "holdout")
# The doubled dollar keeps ${NAME} as it is, for programs that want to read it themselves.
ENVIRONMENT = re.compile(r"(?<!\$)\$\{(\w+)\}")
_ATTACHED_VALUE = re.compile(r"-\w\{")
_INTERPRETER = re.compile(r"(python|pypy)[\d.]*|sh|bash|dash|ksh|zsh|Rscript|julia|node|perl|ruby|lua")
_VALUED_OPTIONS = frozenset({"-W", "-X"})  # of Python: what follows is their value, not the script
_NEGATIVE_NUMBER = re.compile(r"-\.?\d.*")


@dataclass(frozen=True)
class Argument:
    """One argument of a command.

    Attributes:
        names: what stands in braces.
        option: the place of the option that goes when it and the others of that option are left out.
    """

    template: str
    names: tuple[str, ...] = ()
    option: int | None = None


def template_names(template: str) -> tuple[str, ...]:
    """The names in braces; ``${NAME}`` is left to the worker's environment.

    Raises:
        ValueError: the braces do not match.
    """
    parsed = Formatter().parse(ENVIRONMENT.sub("", template))
    return tuple(name for _, name, _, _ in parsed if name is not None)


def read_arguments(command: Sequence[str], space: Sequence[ParameterSpec]) -> tuple[Argument, ...]:
    """The arguments, each with the option that it belongs to."""
    by_name = {parameter.name: parameter for parameter in space}
    sometimes = {parameter.name for parameter in space if parameter.when}
    arguments: list[Argument] = []
    option: int | None = None
    for place, template in enumerate(command):
        names = template_names(template)
        if place > 0 and is_option(template) and not stands_alone(template, by_name):
            arguments.append(Argument(template, names))
            option = place
            continue
        if place == 0 or stands_alone(template, by_name) or not sometimes.intersection(names):
            option = None
        arguments.append(Argument(template, names, option))
    return tuple(arguments)


def present_arguments(arguments: Sequence[Argument], absent: Collection[str]) -> list[Argument]:
    """The arguments of a trial in which the parameters ``absent`` do not exist."""
    is_there = [not any(name in absent for name in argument.names) for argument in arguments]
    with_values = {argument.option for argument in arguments}
    kept = {argument.option for argument, there in zip(arguments, is_there, strict=True) if there}
    return [
        argument
        for place, argument in enumerate(arguments)
        if is_there[place]
        and (place not in with_values or place in kept)
        and (argument.option is None or is_there[argument.option])
    ]


def is_option(template: str) -> bool:
    """Whether it begins as an option does; ``-``, ``--`` and negative numbers do not."""
    return template.startswith("-") and template not in ("-", "--") and not _NEGATIVE_NUMBER.fullmatch(template)


def spells_switches(parameter: ParameterSpec) -> bool | None:
    """Whether its values are options themselves, like a constant ``--amp``; None where only some of them are."""
    if not isinstance(parameter.distribution, CategoricalDistribution):
        return False
    found = {isinstance(choice, str) and is_option(choice) for choice in parameter.distribution.choices}
    return found.pop() if len(found) == 1 else None


def parameter_variable(name: str) -> str:
    """The environment variable of a parameter: in capitals, with ``_`` for what is no letter and no digit."""
    return "HPOTOOL_PARAM_" + re.sub(r"\W", "_", unicodedata.normalize("NFC", name).upper())


def script_of(command: Sequence[str]) -> str | None:
    """The script that the command has an interpreter run; None where it runs none, or that cannot be told."""
    if not _INTERPRETER.fullmatch(command[0].rsplit("/", 1)[-1]):
        return None
    arguments = iter(command[1:])
    for argument in arguments:
        if not argument.startswith("-"):
            return argument
        if argument in _VALUED_OPTIONS:
            next(arguments, None)
        elif not re.fullmatch(r"-[uBEIOsSivxe]+", argument):  # -m and -c run no file, others are not known here
            return None
    return None


def stands_alone(template: str, space: Mapping[str, ParameterSpec]) -> bool:
    """Whether it is neither an option with values nor the value of one."""
    if template == "--" or template in [f"{{{name}}}" for name in SEVERAL_ARGUMENTS]:
        return True
    if template.startswith("{"):
        parameter = space.get(template[1:-1]) if template.endswith("}") else None
        return parameter is not None and spells_switches(parameter) is True
    literal = "".join(text for text, *_ in Formatter().parse(ENVIRONMENT.sub("", template)))
    return is_option(template) and ("=" in literal or _ATTACHED_VALUE.match(template) is not None)
