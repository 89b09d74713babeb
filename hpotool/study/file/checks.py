"""Checks that involve several keys of a study file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hpotool.study.command_template import ENVIRONMENT
from hpotool.study.file.algorithm_checks import check_pruner, check_sampler
from hpotool.study.file.branch_checks import check_population, check_tiers, has_steps
from hpotool.study.file.command_checks import check_command
from hpotool.study.file.grammar.kinds import BROKEN
from hpotool.study.file.grammar.space import Draft
from hpotool.study.spec import Direction
from hpotool.study.yaml.document import Node, Problems, did_you_mean
from hpotool.study.yaml.places import child, place_of_key

_MAY_HOLD_ENVIRONMENT = (
    ("objective", "command"),
    ("objective", "environment"),
    ("objective", "patterns"),
    ("data",),
)


def check_study(
    document: Node, values: Mapping[str, Any], drafts: Mapping[str, Draft], problems: Problems
) -> None:
    """Report keys that contradict each other; parts that are invalid by themselves are skipped."""
    objective = _mapping(values.get("objective"))
    metrics: dict[str, Direction] = _mapping(values.get("metrics"))
    _check_objective(document, objective, metrics, problems)
    _check_command(document, values, drafts, problems)
    _check_limits(document, objective, problems)
    check_sampler(document, values, drafts, metrics, problems)
    check_pruner(document, values, metrics, problems)
    check_population(document, values, drafts, metrics, problems)
    check_tiers(document, values, metrics, problems)
    _check_budget(document, _mapping(values.get("budget")), metrics, problems)
    _check_regret(document, values, metrics, problems)
    if values.get("duplicates") == "skip" and not drafts and values.get("search_space") is not BROKEN:
        problems.add(
            child(document, "duplicates").place,
            "without a search_space, a repeated point cannot be recognized; add one, or write allow",
        )
    if values.get("reuse") is True:
        _check_reuse(document, values, drafts, problems)
    for node in _texts_with_environment(document, ()):
        problems.put(
            node.place,
            "${…} works only in objective.command, objective.environment and data; write the value, or use --set",
        )


def _check_reuse(
    document: Node, values: Mapping[str, Any], drafts: Mapping[str, Draft], problems: Problems
) -> None:
    """Equal results need all that they depend on to be known before they run."""
    place = child(document, "reuse").place
    sampler = _mapping(values.get("sampler"))
    if not drafts and values.get("search_space") is not BROKEN:
        problems.add(
            place, "without a search_space, an equal point cannot be recognized; add one, or remove reuse"
        )
    if values.get("sampler") is not BROKEN and sampler.get("seed") is None:
        problems.add(
            place, "equal trials have equal seeds, so reuse needs one; write sampler: {seed: 1}, or another number"
        )
    if values.get("tiers") or sampler.get("name") == "pbt":
        problems.add(place, "trials that continue each other are never equal; remove reuse")
    objective = _mapping(values.get("objective"))
    texts = [*(objective.get("command") or ()), *_mapping(objective.get("environment")).values()]
    if any(isinstance(text, str) and ENVIRONMENT.search(text) for text in texts):
        problems.add(
            place,
            "an objective with ${…} depends on the worker, so it is never equal; write the value, or use --set",
        )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _check_objective(
    document: Node, objective: Mapping[str, Any], metrics: Mapping[str, Any], problems: Problems
) -> None:
    if not objective and "objective" not in _mapping(document.content):
        return
    node = child(document, "objective")
    if "python" in objective and "command" in objective:
        problems.add(place_of_key(node, "command"), "a study has one objective; keep python or command, not both")
        return
    if isinstance(node.content, dict) and not {"python", "command"} & set(node.content):
        problems.add(
            node.place, "the objective has nothing to run; add python: module:function or command: [program, …]"
        )
    for key in ("patterns", "take", "result_file"):
        if "python" in objective and key in objective:
            problems.add(
                place_of_key(node, key),
                f"{key!r} is for commands; a Python objective returns or reports its metrics",
            )
    if "command" in objective and objective.get("isolation") == "none":
        problems.add(
            child(node, "isolation").place, "a command always runs in a separate process; remove isolation: none"
        )
    for name in _mapping(objective.get("take")):
        if metrics and name not in metrics:
            problems.add(
                place_of_key(child(node, "take"), name),
                f"{name!r} is not a metric{did_you_mean(name, list(metrics))}",
            )


def _check_command(
    document: Node, values: Mapping[str, Any], drafts: Mapping[str, Draft], problems: Problems
) -> None:
    objective = _mapping(values.get("objective"))
    command = objective.get("command")
    if not isinstance(command, tuple) or values.get("search_space") is BROKEN or "python" in objective:
        return
    node = child(document, "objective", "command")
    if not drafts:
        problems.add(node.place, "a command cannot suggest its own parameters; add a search_space")
        return
    check_command(child(document, "objective"), objective, drafts, has_steps(values), problems)


def _check_limits(document: Node, objective: Mapping[str, Any], problems: Problems) -> None:
    timeout, stall = objective.get("timeout"), objective.get("stall")
    if timeout in (None, BROKEN) or stall in (None, BROKEN):
        return
    if stall >= timeout:
        problems.add(
            child(document, "objective", "stall").place, "stall must be shorter than timeout, or it never applies"
        )


def _check_budget(
    document: Node, budget: Mapping[str, Any], metrics: Mapping[str, Any], problems: Problems
) -> None:
    node = child(document, "budget")
    if "cost" in budget and "prices" not in budget:
        problems.add(
            place_of_key(node, "cost"),
            "a cost needs the hourly prices of devices; add prices: {H100: 2.5}",
        )
    target = budget.get("target")
    if isinstance(target, float) and len(metrics) > 1:
        first = next(iter(metrics))
        problems.add(
            child(node, "target").place,
            f"with several metrics the target must name one; write target: {{{first}: {target:g}}}",
        )
    for name in _mapping(target):
        if metrics and name not in metrics:
            hint = did_you_mean(name, list(metrics))
            problems.add(place_of_key(child(node, "target"), name), f"{name!r} is not a metric{hint}")


def _check_regret(
    document: Node, values: Mapping[str, Any], metrics: Mapping[str, Any], problems: Problems
) -> None:
    """Report where there is no single value whose gain could be estimated."""
    if "regret" not in _mapping(values.get("budget")):
        return
    place = place_of_key(child(document, "budget"), "regret")
    if len(metrics) > 1:
        problems.add(place, "regret is estimated for one metric, but this study has several; use patience")
    elif has_steps(values):
        problems.add(
            place,
            "regret compares trials that train alike, but here trials continue other trials; use patience",
        )


def _texts_with_environment(node: Node, path: tuple[str, ...]) -> Iterator[Node]:
    if path in _MAY_HOLD_ENVIRONMENT or (len(path) == 1 and path[0].startswith("x-")):
        return
    if isinstance(node.content, dict):
        for key, entry in node.content.items():
            yield from _texts_with_environment(entry.value, (*path, key))
    elif isinstance(node.content, list):
        for item in node.content:
            yield from _texts_with_environment(item, (*path, "[]"))
    elif isinstance(node.content, str) and ENVIRONMENT.search(node.content):
        yield node
