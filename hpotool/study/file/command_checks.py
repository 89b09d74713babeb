"""Checks a study file's command: names in braces, formats, options with their values, and variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hpotool.study.command_template import (
    COMMAND_FIELDS,
    ENVIRONMENT,
    SEVERAL_ARGUMENTS,
    YOUNGER_FIELDS,
    Argument,
    is_option,
    parameter_variable,
    present_arguments,
    read_arguments,
    spells_switches,
    stands_alone,
    template_names,
)
from hpotool.study.file.grammar.kinds import BROKEN
from hpotool.study.file.grammar.space import Draft
from hpotool.study.spec import ParameterSpec
from hpotool.study.yaml.document import Node, Problems, did_you_mean
from hpotool.study.yaml.places import child


def check_command(
    node: Node, objective: Mapping[str, Any], drafts: Mapping[str, Draft], is_stepped: bool, problems: Problems
) -> None:
    """Report problems of the command of ``objective``, which is at ``node``, and of its environment."""
    command = objective["command"]
    for name in COMMAND_FIELDS:
        if name in drafts:
            problems.add(
                drafts[name].place,
                f"{{{name}}} is reserved in commands; give the parameter another name",
            )
    _check_variables(drafts, problems)
    nodes = child(node, "command").content
    assert isinstance(nodes, list)
    before = len(problems.found)
    for item, argument in zip(nodes, command, strict=True):
        _check_template(item, argument, drafts, is_stepped, problems, stands_alone=True)
    for item, text in _other_templates(node, objective):
        _check_template(item, text, drafts, is_stepped, problems)
    space = _as_space(drafts)
    if len(problems.found) == before and BROKEN not in command and space is not None:
        _check_structure(nodes, read_arguments(command, space), space, problems)
        _check_result_file(child(node, "result_file"), objective.get("result_file"), space, problems)


def left_out(command: Sequence[str], space: Sequence[ParameterSpec]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """For parameters that share a condition, the arguments that are left out when it does not hold."""
    arguments = read_arguments(command, space)
    together: dict[str, list[str]] = {}
    for parameter in space:
        if parameter.when:
            together.setdefault(repr(sorted(parameter.when.items())), []).append(parameter.name)
    gone = {}
    for names in together.values():
        kept = present_arguments(arguments, names)
        gone[tuple(names)] = tuple(argument.template for argument in arguments if argument not in kept)
    return {names: templates for names, templates in gone.items() if templates}


def _other_templates(node: Node, objective: Mapping[str, Any]) -> list[tuple[Node, Any]]:
    environment = objective.get("environment")
    texts = dict(environment) if isinstance(environment, dict) else {}
    found = [(child(node, "environment", name), text) for name, text in texts.items()]
    if "result_file" in objective:
        found.append((child(node, "result_file"), objective["result_file"]))
    return found


def _as_space(drafts: Mapping[str, Draft]) -> tuple[ParameterSpec, ...] | None:
    """The parameters, as far as the command's structure depends on them; None if one is broken."""
    space = []
    for draft in drafts.values():
        if draft.distribution is None:
            return None
        when: dict[str, tuple[Any, ...]] = {}
        for parent, condition in draft.when:
            when[parent] = (*when.get(parent, ()), *(repr(value) for _, value in condition.values))
        space.append(ParameterSpec(draft.name, draft.distribution, when))
    return tuple(space)


def _check_variables(drafts: Mapping[str, Draft], problems: Problems) -> None:
    """Report the later of two parameters that would share an environment variable."""
    names: dict[str, str] = {}
    for draft in drafts.values():
        first = names.setdefault(parameter_variable(draft.name), draft.name)
        if first != draft.name:
            variable = parameter_variable(draft.name)
            problems.add(
                draft.place,
                f"{first!r} and {draft.name!r} would share the command's environment variable {variable}; "
                "rename one",
            )


def _check_template(
    item: Node,
    template: Any,
    drafts: Mapping[str, Draft],
    is_stepped: bool,
    problems: Problems,
    stands_alone: bool = False,
) -> None:
    if template is BROKEN:
        return
    try:
        names = template_names(template)
    except ValueError:
        problems.add(
            item.place, f"the braces in {template!r} do not match; write {{{{ and }}}} for literal braces"
        )
        return
    known = [*drafts, *COMMAND_FIELDS, *YOUNGER_FIELDS]
    for name in names:
        if name not in known:
            problems.add(item.place, f"{{{name}}} is not a parameter{did_you_mean(name, known)}")
        elif name == "steps" and not is_stepped:
            problems.add(
                item.place,
                "nothing says how many {steps} there are; add tiers or the sampler pbt, or write it",
            )
        elif name in SEVERAL_ARGUMENTS and not (stands_alone and template == f"{{{name}}}"):
            problems.add(item.place, f"{{{name}}} becomes several arguments, so it must be an argument by itself")
    _check_formats(item, template, drafts, problems)


def _check_formats(item: Node, template: str, drafts: Mapping[str, Draft], problems: Problems) -> None:
    for _, name, form, conversion in Formatter().parse(ENVIRONMENT.sub("", template)):
        if name is None or not (form or conversion):
            continue
        distribution = drafts[name].distribution if name in drafts else None
        try:
            if conversion:
                raise ValueError
            for value in _examples(distribution):
                format(value, form or "")
        except (ValueError, TypeError):
            wrong = f"!{conversion}" if conversion else f":{form}"
            problems.add(item.place, f"{{{name}{wrong}}} cannot be written for every value; write {{{name}}}")


def _examples(distribution: BaseDistribution | None) -> Sequence[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    return (distribution.low,) if isinstance(distribution, (FloatDistribution, IntDistribution)) else ()


def _check_structure(
    nodes: Sequence[Node], arguments: Sequence[Argument], space: Sequence[ParameterSpec], problems: Problems
) -> None:
    """Report where the templates do not determine which arguments are left out together."""
    by_name = {parameter.name: parameter for parameter in space}
    sometimes = {parameter.name: parameter for parameter in space if parameter.when}
    for place, argument in enumerate(arguments):
        follower = arguments[place + 1].template if place + 1 < len(arguments) else "--"
        is_paired = is_option(argument.template) and not stands_alone(argument.template, by_name)
        is_followed = not is_option(follower) and not stands_alone(follower, by_name)
        if is_paired and is_followed and any(name in sometimes for name in argument.names):
            problems.add(
                nodes[place].place,
                f"{argument.template!r} does not always exist, and {follower!r} may or may not belong to it; "
                f"write {argument.template}={follower} as one argument, or put it elsewhere",
            )
        values = [other for other in arguments if other.option == place]
        if len({_conditions(value, sometimes) for value in values}) > 1:
            first, other = values[0].template, values[-1].template
            problems.add(
                nodes[place].place,
                f"{first!r} and {other!r} exist in different trials, and both may or may not belong to "
                f"{argument.template!r}; write {argument.template}={first} as one argument",
            )
        mixed = [name for name in argument.names if name in sometimes and spells_switches(sometimes[name]) is None]
        if mixed and argument.option == place - 1 and argument.template == f"{{{mixed[0]}}}":
            option = arguments[place - 1].template
            problems.add(
                nodes[place].place,
                f"some values of {mixed[0]!r} are options themselves, so {option!r} may or may not belong to it; "
                f"write {option}={argument.template} as one argument, or put {option!r} elsewhere",
            )


def _conditions(argument: Argument, sometimes: Mapping[str, ParameterSpec]) -> frozenset[Any]:
    return frozenset(
        (parent, values)
        for name in argument.names
        if name in sometimes
        for parent, values in sometimes[name].when.items()
    )


def _check_result_file(node: Node, template: Any, space: Sequence[ParameterSpec], problems: Problems) -> None:
    for parameter in space:
        if parameter.when and isinstance(template, str) and parameter.name in template_names(template):
            problems.add(
                node.place, f"{{{parameter.name}}} does not exist in every trial; remove it from the file's name"
            )
