"""Checks across several keys for studies in which trials continue other trials: ``pbt`` and ``tiers``."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from hpotool.study.file.grammar.algorithms import PRUNER, SAMPLER
from hpotool.study.file.grammar.kinds import BROKEN
from hpotool.study.file.grammar.space import Draft
from hpotool.study.spec import PopulationSpec
from hpotool.study.wording import count_of
from hpotool.study.yaml.document import Node, Problems, did_you_mean
from hpotool.study.yaml.places import child, place_of_key


def has_steps(values: Mapping[str, Any]) -> bool:
    """Whether the study decides to which step each trial trains."""
    return "tiers" in values or _is_population(values)


def check_population(
    document: Node,
    values: Mapping[str, Any],
    drafts: Mapping[str, Draft],
    metrics: Mapping[str, Any],
    problems: Problems,
) -> None:
    """Report where population based training does not suit the rest of the study file."""
    if not _is_population(values):
        return
    node, sampler = child(document, "sampler"), values["sampler"]
    _check_no_pruner(document, values, "pbt replaces the worst members itself", problems)
    defaults = PopulationSpec(interval=1)
    size = sampler.get("population_size", defaults.population_size)
    share = sampler.get("quantile_fraction", defaults.quantile_fraction)
    if isinstance(size, int) and isinstance(share, (int, float)) and size * share < 1:
        problems.add(
            node.place,
            f"{share:g} of {size} members is less than one, so none would ever be replaced; "
            f"write a quantile_fraction of {1 / size:.2g} or more",
        )
    budget = values.get("budget")
    if budget is not BROKEN and "trials" not in (budget or {}):
        problems.add(
            child(node, "name").place,
            "pbt needs to know how long to train; add budget: {trials: …}, members times intervals",
        )
    _check_no_replicates(document, values, problems)
    _check_explore(node, sampler.get("explore"), drafts, problems)


def _check_explore(node: Node, explore: Any, drafts: Mapping[str, Draft], problems: Problems) -> None:
    names = child(node, "explore").content
    if not drafts or not isinstance(explore, tuple) or not isinstance(names, list):
        return
    for item, name in zip(names, explore, strict=True):
        if name is not BROKEN and name not in drafts:
            problems.add(item.place, f"{name!r} is not a parameter{did_you_mean(name, list(drafts))}")


def check_tiers(document: Node, values: Mapping[str, Any], metrics: Mapping[str, Any], problems: Problems) -> None:
    """Report where tiers are not in order, or do not suit the rest of the study file."""
    tiers = values.get("tiers")
    if not isinstance(tiers, tuple):
        return
    node = child(document, "tiers")
    if len(metrics) > 1:
        problems.add(
            node.place,
            "tiers work with one metric, but this study has several; keep the one by which trials are ranked",
        )
    _check_no_pruner(document, values, "the tiers end the worst trials themselves", problems)
    _check_no_replicates(document, values, problems)
    _check_can_be_tiered(node, values.get("sampler"), problems)
    if any(
        tier is BROKEN or not all(isinstance(tier.get(key), int) for key in ("trials", "steps")) for tier in tiers
    ):
        return
    assert isinstance(node.content, list)
    for item, (before, after) in zip(node.content[1:], pairwise(tiers), strict=True):
        if after["steps"] <= before["steps"]:
            problems.add(
                item.place, f"a tier must go further than the previous one, which ends at step {before['steps']}"
            )
        if after["trials"] > before["trials"]:
            problems.add(
                item.place,
                f"a tier must have at most as many trials as the previous one, which has {before['trials']}",
            )
    _check_total(document, values, sum(tier["trials"] for tier in tiers), problems)


def _check_total(document: Node, values: Mapping[str, Any], total: int, problems: Problems) -> None:
    budget = values.get("budget")
    trials = budget.get("trials") if isinstance(budget, dict) else None
    if isinstance(trials, int) and trials != total:
        problems.add(
            child(document, "budget", "trials").place,
            f"the tiers have {count_of(total, 'trial')} in total; remove trials from the budget",
        )


def _check_can_be_tiered(node: Node, sampler: Any, problems: Problems) -> None:
    row = SAMPLER.row(sampler)
    if row is not None and row.decides_steps:
        problems.add(node.place, f"{sampler['name']} itself decides how far a trial trains; remove the tiers")
    if row is not None and row.ends_by_itself:
        problems.add(
            node.place,
            f"{sampler['name']} ends the study after its last point; with tiers, use auto, tpe, random or qmc",
        )


def _check_no_pruner(document: Node, values: Mapping[str, Any], reason: str, problems: Problems) -> None:
    pruner = values.get("pruner")
    if isinstance(pruner, dict) and pruner.get("name", PRUNER.default) != PRUNER.default:
        problems.add(place_of_key(document, "pruner"), f"{reason}; remove the pruner")


def _check_no_replicates(document: Node, values: Mapping[str, Any], problems: Problems) -> None:
    if values.get("duplicates") == "replicate":
        problems.add(
            child(document, "duplicates").place,
            "in this study, equal parameters mean more training, not replicates; write allow or skip",
        )


def _is_population(values: Mapping[str, Any]) -> bool:
    row = SAMPLER.row(values.get("sampler"))
    return row is not None and row.decides_steps
