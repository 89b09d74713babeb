"""The structure of a command, derived only from its templates and the search space, never from a trial's values.

If a parameter does not exist in a trial, its argument is left out, together with an option (an argument that
begins with ``-``) right before it: ``--momentum {momentum}`` and ``--betas {beta1} {beta2}`` disappear as a whole.
An option stays if the first argument after it is a constant or a parameter that always exists, or one that belongs
to no option: another option, a switch that is the value of a parameter (a constant ``--amp``), ``{args}`` or
``{overrides}``. An argument that contains its own option (``--lr={lr}``, ``-j{jobs}``) leaves the others in place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter

from optuna.distributions import CategoricalDistribution

from hpotool.study.spec import ParameterSpec

# Placeholders that become any number of arguments, so they must be an argument by themselves.
SEVERAL_ARGUMENTS = ("args", "overrides")
COMMAND_FIELDS = ("params_file", "checkpoint_dir", "trial", "seed", "steps", *SEVERAL_ARGUMENTS, "args_json")
# Parameters may have these names nevertheless, and then take precedence: studies existed before these fields did.
YOUNGER_FIELDS = ("phase", "holdout")
# A doubled dollar keeps ${NAME} unexpanded, for programs that expand it themselves.
ENVIRONMENT = re.compile(r"(?<!\$)\$\{(\w+)\}")
_ATTACHED_VALUE = re.compile(r"-\w\{")
_INTERPRETER = re.compile(r"(python|pypy)[\d.]*|sh|bash|dash|ksh|zsh|Rscript|julia|node|perl|ruby|lua")
_VALUED_OPTIONS = frozenset({"-W", "-X"})  # options of Python that are followed by a value, not by the script
_NEGATIVE_NUMBER = re.compile(r"-\.?\d.*")


@dataclass(frozen=True)
class Argument:
    """One argument of a command.

    Attributes:
        names: the names in braces.
        option: the index of its option, which is left out together with all arguments of that option.
    """

    template: str
    names: tuple[str, ...] = ()
    option: int | None = None


def template_names(template: str) -> tuple[str, ...]:
    """The names in braces, without ``${NAME}``, which comes from the worker's environment.

    Raises:
        ValueError: the braces do not match.
    """
    parsed = Formatter().parse(ENVIRONMENT.sub("", template))
    return tuple(name for _, name, _, _ in parsed if name is not None)


def read_arguments(command: Sequence[str], space: Sequence[ParameterSpec]) -> tuple[Argument, ...]:
    """The arguments, each with its option."""
    by_name = {parameter.name: parameter for parameter in space}
    sometimes = {parameter.name for parameter in space if parameter.when}
    arguments: list[Argument] = []
    option: int | None = None
    for index, template in enumerate(command):
        names = template_names(template)
        if index > 0 and is_option(template) and not stands_alone(template, by_name):
            arguments.append(Argument(template, names))
            option = index
            continue
        if index == 0 or stands_alone(template, by_name) or not sometimes.intersection(names):
            option = None
        arguments.append(Argument(template, names, option))
    return tuple(arguments)


def present_arguments(arguments: Sequence[Argument], absent: Collection[str]) -> list[Argument]:
    """The arguments for a trial without the parameters ``absent``."""
    is_there = [not any(name in absent for name in argument.names) for argument in arguments]
    with_values = {argument.option for argument in arguments}
    kept = {argument.option for argument, there in zip(arguments, is_there, strict=True) if there}
    return [
        argument
        for index, argument in enumerate(arguments)
        if is_there[index]
        and (index not in with_values or index in kept)
        and (argument.option is None or is_there[argument.option])
    ]


def is_option(template: str) -> bool:
    """Whether the argument looks like an option; ``-``, ``--`` and negative numbers do not."""
    return template.startswith("-") and template not in ("-", "--") and not _NEGATIVE_NUMBER.fullmatch(template)


def spells_switches(parameter: ParameterSpec) -> bool | None:
    """Whether the parameter's values are options, like a constant ``--amp``; None if only some of them are."""
    if not isinstance(parameter.distribution, CategoricalDistribution):
        return False
    found = {isinstance(choice, str) and is_option(choice) for choice in parameter.distribution.choices}
    return found.pop() if len(found) == 1 else None


def parameter_variable(name: str) -> str:
    """The environment variable of a parameter: in capitals, with ``_`` for all but letters and digits."""
    return "HPOTOOL_PARAM_" + re.sub(r"\W", "_", unicodedata.normalize("NFC", name).upper())


def script_of(command: Sequence[str]) -> str | None:
    """The script that the command's interpreter runs; None if there is none, or it cannot be determined."""
    if not _INTERPRETER.fullmatch(command[0].rsplit("/", 1)[-1]):
        return None
    arguments = iter(command[1:])
    for argument in arguments:
        if not argument.startswith("-"):
            return argument
        if argument in _VALUED_OPTIONS:
            next(arguments, None)
        elif not re.fullmatch(
            r"-[uBEIOsSivxe]+", argument
        ):  # -m and -c run no file; other options are unknown here
            return None
    return None


def stands_alone(template: str, space: Mapping[str, ParameterSpec]) -> bool:
    """Whether the argument is neither an option with values nor the value of an option."""
    if template == "--" or template in [f"{{{name}}}" for name in SEVERAL_ARGUMENTS]:
        return True
    if template.startswith("{"):
        parameter = space.get(template[1:-1]) if template.endswith("}") else None
        return parameter is not None and spells_switches(parameter) is True
    literal = "".join(text for text, *_ in Formatter().parse(ENVIRONMENT.sub("", template)))
    return is_option(template) and ("=" in literal or _ATTACHED_VALUE.match(template) is not None)
