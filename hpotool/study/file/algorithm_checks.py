"""Checks whether a sampler or pruner suits the rest of the study file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import FloatDistribution
from typing_extensions import assert_never

from hpotool.study.file.grammar.algorithms import PRUNER, SAMPLER, Row
from hpotool.study.file.grammar.kinds import BROKEN
from hpotool.study.file.grammar.space import Draft
from hpotool.study.rules.grid import LARGEST_GRID, count_values
from hpotool.study.space import given_value
from hpotool.study.wording import count_of
from hpotool.study.yaml.document import Node, Problems, did_you_mean
from hpotool.study.yaml.places import child, place_of_key


def check_sampler(
    document: Node,
    values: Mapping[str, Any],
    drafts: Mapping[str, Draft],
    metrics: Mapping[str, Any],
    problems: Problems,
) -> None:
    """Report where the sampler does not suit the study's metrics or search space."""
    sampler = values.get("sampler")
    if not isinstance(sampler, dict):
        return
    row = SAMPLER.row(sampler)
    if row is None:
        return
    node = child(document, "sampler")
    _check_row(node, row, sampler, metrics, problems)
    match row.space:
        case "any":
            pass
        case "countable":
            _check_countable(sampler["name"], drafts, problems)
        case "grid":
            if values.get("search_space") is not BROKEN:
                _check_grid(document, sampler.get("points"), drafts, values.get("budget"), problems)
        case _:
            assert_never(row.space)


def _check_row(
    node: Node, row: Row, sampler: Mapping[str, Any], metrics: Mapping[str, Any], problems: Problems
) -> None:
    name = sampler.get("name", SAMPLER.default)
    if row.one_metric is not None and len(metrics) > 1:
        problems.add(
            child(node, "name").place,
            f"{name} works with one metric, but this study has several; {row.one_metric}",
        )
    given = [key for key in row.only_one_of if sampler.get(key) is True]
    if len(given) > 1:
        problems.add(
            place_of_key(node, given[-1]), f"{name} accepts only one of {', '.join(given)}; remove the others"
        )


def _check_countable(name: str, drafts: Mapping[str, Draft], problems: Problems) -> None:
    for draft in drafts.values():
        if draft.distribution is not None and count_values(draft.distribution) is None:
            problems.add(draft.place, f"{name} needs a finite number of values for {draft.name!r}; give it a step")


def _check_grid(document: Node, points: Any, drafts: Mapping[str, Draft], budget: Any, problems: Problems) -> None:
    node = child(document, "sampler")
    if not drafts:
        problems.add(child(node, "name").place, "grid needs to know the parameters; add a search_space")
        return
    points = points if isinstance(points, dict) else {}
    _check_grid_points(child(node, "points"), points, drafts, problems)
    size = 1
    for draft in drafts.values():
        if draft.when:
            problems.add(
                draft.place, f"grid does not support conditions, but {draft.name!r} has one; use bruteforce"
            )
        if draft.distribution is None:
            return
        count = count_values(draft.distribution, points.get(draft.name))
        if count is None:
            fix = f"give it a step, or the sampler points: {{{draft.name}: [{_two_points(draft)}]}}"
            problems.add(draft.place, f"grid needs a finite number of values for {draft.name!r}; {fix}")
            return
        size *= count
    if size > LARGEST_GRID:
        problems.add(
            child(node, "name").place,
            f"the grid has {size} points, but at most {LARGEST_GRID} are allowed; use larger steps",
        )
    trials = budget.get("trials") if isinstance(budget, dict) else None
    if isinstance(trials, int) and trials > size:
        place = child(document, "budget", "trials").place
        problems.add(
            place,
            f"the grid has only {count_of(size, 'point')}, so the study would repeat some; write {size} or fewer",
        )


def _two_points(draft: Draft) -> str:
    assert isinstance(draft.distribution, FloatDistribution)
    return f"{draft.distribution.low:g}, {draft.distribution.high:g}"


def _check_grid_points(
    node: Node, points: Mapping[str, Any], drafts: Mapping[str, Draft], problems: Problems
) -> None:
    for name, values in points.items():
        if name not in drafts:
            problems.add(
                place_of_key(node, name), f"{name!r} is not a parameter{did_you_mean(name, list(drafts))}"
            )
            continue
        distribution = drafts[name].distribution
        nodes = child(node, name).content
        if distribution is None or values is BROKEN or not isinstance(nodes, list):
            continue
        for item, value in zip(nodes, values, strict=True):
            try:
                given_value(distribution, None if value is BROKEN else value)
            except ValueError as error:
                problems.add(item.place, f"{name!r} {error}")


def check_pruner(
    document: Node, values: Mapping[str, Any], metrics: Mapping[str, Any], problems: Problems
) -> None:
    """Report where the pruner does not suit the study's metrics, or its arguments contradict each other."""
    pruner = values.get("pruner")
    if not isinstance(pruner, dict):
        return
    name, metric, node = pruner.get("name"), pruner.get("metric"), child(document, "pruner")
    if isinstance(metric, str) and metrics and metric not in metrics:
        hint = did_you_mean(metric, list(metrics))
        problems.add(child(node, "metric").place, f"the pruner's metric {metric!r} is not a metric{hint}")
    if name not in (None, PRUNER.default) and metric is None and len(metrics) > 1:
        first = next(iter(metrics))
        problems.add(
            node.place,
            f"with several metrics, the pruner must know which to use; write {{name: {name}, metric: {first}}}",
        )
    _check_arguments(node, pruner, problems)


def _check_arguments(node: Node, pruner: Mapping[str, Any], problems: Problems) -> None:
    name = pruner.get("name")
    low, high = pruner.get("min_resource", 1), pruner.get("max_resource")
    if name == "hyperband" and isinstance(low, int) and isinstance(high, int) and high < low:
        problems.add(
            child(node, "max_resource").place, f"max_resource {high} is below min_resource {low}; swap them"
        )
    if name == "median" and "max_resource" in pruner and "n_warmup_steps" in pruner:
        problems.add(
            place_of_key(node, "n_warmup_steps"),
            "max_resource already sets n_warmup_steps to a quarter of itself; keep one of the two",
        )
    if name == "threshold" and not {"lower", "upper"} & set(pruner):
        problems.add(node.place, "threshold needs a bound to prune anything; add lower or upper")
    low, high = pruner.get("lower"), pruner.get("upper")
    if name == "threshold" and isinstance(low, float) and isinstance(high, float) and high < low:
        problems.add(child(node, "upper").place, f"upper {high:g} is below lower {low:g}; swap them")
    if name == "asha" and pruner.get("bootstrap_count") and "min_resource" not in pruner:
        problems.add(place_of_key(node, "bootstrap_count"), "bootstrap_count needs to know min_resource; add it")
    wrapped = pruner.get("wrapped")
    if name == "patient" and isinstance(wrapped, dict):
        _check_arguments(child(node, "wrapped"), wrapped, problems)
