"""Reads a study file: YAML text → StudySpec, or a list of all problems, each with its line and column.

Three steps, in order: the text becomes a document with places (``document``), the grammar reads it (``grammar``),
and relations between keys are checked (``checks``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hpotool.study.file.checks import check_study
from hpotool.study.file.grammar.kinds import BROKEN
from hpotool.study.file.grammar.space import Draft, finish_parameters
from hpotool.study.file.grammar.study import BUDGET, STUDY
from hpotool.study.file.resolved import to_document
from hpotool.study.space import check_point
from hpotool.study.spec import (
    BudgetSpec,
    ConstraintSpec,
    MetricSpec,
    ObjectiveSpec,
    ParameterSpec,
    PrunerSpec,
    RetrySpec,
    SamplerSpec,
    StudySpec,
    TierSpec,
)
from hpotool.study.yaml.assignments import override
from hpotool.study.yaml.document import Node, Place, Problems, from_plain, parse_yaml
from hpotool.study.yaml.places import child


def read_study_file(text: str, file: str | None = None, overrides: Sequence[str] = ()) -> StudySpec:
    """The study that the YAML ``text`` of ``file`` describes, with ``key.key=value`` overrides applied.

    Raises:
        StudyFileError: the file has mistakes; the error lists all of them, in the order of the file.
    """
    problems = Problems()
    return read_document(override(parse_yaml(text, file), overrides, problems), problems)


def read_study_data(data: Mapping[str, Any]) -> StudySpec:
    """The study described by stored data in the grammar of a study file.

    Keys of a newer hpotool are ignored, so that workers of the last release survive an upgrade.

    Raises:
        StudyFileError: the data has mistakes; the error lists all of them.
    """
    return read_document(from_plain(data, Place()), Problems(allows_unknown_keys=True))


def change_budget(spec: StudySpec, changes: Mapping[str, str], prices: Sequence[str] = ()) -> StudySpec:
    """``spec`` with other limits: each a value as in a file, ``+10`` to add ten, or ``none`` for no limit.

    ``prices`` are ``DEVICE=C``.

    Raises:
        StudyFileError: the result has mistakes; the error names the options of ``hpotool budget``.
    """
    problems, data = Problems(), to_document(spec)
    data["budget"] = {key: value for key, value in data["budget"].items() if changes.get(key) != "none"}
    document = from_plain(data, Place())
    for key, text in changes.items():
        if text != "none":
            is_more = text.startswith("+") and key in _GROWING
            typed = Place(f"{_option(key)} {text}")
            document = override(document, [f"budget.{key}={text.removeprefix('+')}"], problems, typed)
            if is_more:
                document = _add(document, spec, key, text, problems)
    for price in prices:
        name, _, text = price.partition("=")
        document = override(document, [f"budget.prices.{name}={text}"], problems, Place(f"--price {price}"))
    return read_document(document, problems)


def change_tags(spec: StudySpec, tags: Sequence[str]) -> StudySpec:
    """``spec`` with ``key=value`` tags set; ``key=`` removes a tag.

    Raises:
        StudyFileError: one is not a valid tag.
    """
    problems = Problems()
    kept = dict(spec.tags)
    for text in tags:
        key, equals, value = text.partition("=")
        if not equals:
            problems.add(Place(text), "a tag is key=value, like owner=ann")
        kept.pop(key, None)
        if value:
            kept[key] = value
    data = from_plain({**to_document(spec), "tags": kept}, Place())
    return read_document(data, problems)


def change_share(spec: StudySpec, changes: Mapping[str, str]) -> StudySpec:
    """``spec`` with another place in its pool: each value as in a file, or ``none`` for the default.

    Raises:
        StudyFileError: the result has mistakes; the error names the options of ``hpotool share``.
    """
    problems = Problems()
    kept = {key: value for key, value in to_document(spec).items() if changes.get(key) != "none"}
    document = from_plain(kept, Place())
    for key, text in changes.items():
        if text != "none":
            document = override(document, [f"{key}={text}"], problems, Place(f"{_option(key)} {text}"))
    return read_document(document, problems)


# Limits that can be increased with +.
_GROWING = ("trials", "wall", "gpu_hours", "cost", "patience", "regret", "failed")


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _add(document: Node, spec: StudySpec, key: str, text: str, problems: Problems) -> Node:
    """``document`` with an added amount replaced by the sum of it and the stored limit."""
    kind = BUDGET.keys[key].kind
    place = Place(f"{_option(key)} {text}")
    limit, added = getattr(spec.budget, key), child(child(document, "budget"), key)
    more = kind.read(added, Problems())
    if limit is None:
        problems.add(place, f"there is no limit to add to; write {_option(key)} {text.removeprefix('+')}")
    if limit is None or more is BROKEN:
        return document
    return override(document, [f"budget.{key}={kind.write(limit + more)}"], problems, place)


def read_document(document: Node, problems: Problems | None = None) -> StudySpec:
    """The study that ``document`` describes; ``problems`` are those found so far.

    Raises:
        StudyFileError: the document has mistakes; the error lists all of them, in order.
    """
    problems = Problems() if problems is None else problems
    values = STUDY.read(document, problems)
    if values is not BROKEN:
        drafts: dict[str, Draft] = _good(values.get("search_space"), {})
        parameters = finish_parameters(drafts, problems)
        check_study(document, values, drafts, problems)
        points = _read_points(document, values, drafts, parameters, problems)
        baseline = _read_baseline(document, values, drafts, parameters, problems)
        problems.raise_if_any()
        return _build({**values, **baseline}, parameters, points)
    problems.raise_if_any()
    raise AssertionError("a broken document without a problem")


def _good(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None or value is BROKEN else value


def _read_points(
    document: Node,
    values: Mapping[str, Any],
    drafts: Mapping[str, Draft],
    parameters: tuple[ParameterSpec, ...],
    problems: Problems,
) -> tuple[Mapping[str, Any], ...]:
    """The warm start's points in the search space's form; unchanged if the space is in the code."""
    points = _good(values.get("warm_start"), ())
    if not drafts:
        return tuple(points)
    if len(parameters) < len(drafts):  # with a broken parameter, messages about points could mislead
        return ()
    nodes = child(document, "warm_start").content
    assert isinstance(nodes, list) or not points
    checked = []
    for index, point in enumerate(points):
        if point is BROKEN:
            continue
        assert isinstance(nodes, list)
        given, wrong = check_point(parameters, point)
        for name, sentence in wrong.items():
            problems.add(child(nodes[index], name).place, f"point {index + 1}: {sentence}")
        checked.append(given)
    return tuple(checked)


def _read_baseline(
    document: Node,
    values: Mapping[str, Any],
    drafts: Mapping[str, Draft],
    parameters: tuple[ParameterSpec, ...],
    problems: Problems,
) -> dict[str, Any]:
    """The baseline as the search space gives it, where there is one: a whole point, nothing of it is drawn."""
    point = _good(values.get("baseline"), None)
    if point is None or not drafts or len(parameters) < len(drafts):
        return {}
    node = child(document, "baseline")
    given, wrong = check_point(parameters, point)
    for name, sentence in wrong.items():
        place = child(node, name).place if name in point else node.place
        problems.add(place, f"baseline: {sentence}")
    return {"baseline": given}


def _build(
    values: Mapping[str, Any], parameters: tuple[ParameterSpec, ...], points: tuple[Mapping[str, Any], ...]
) -> StudySpec:
    metrics = tuple(MetricSpec(name, direction) for name, direction in values["metrics"].items())
    sampler = _sampler(values.get("sampler", {}))
    tiers = tuple(TierSpec(**tier) for tier in values.get("tiers", ()))
    budget = _budget(values.get("budget", {}), metrics)
    # Keys whose values have another shape in the spec; all others are taken as read.
    shaped: dict[str, Any] = {
        "objective": ObjectiveSpec(**values["objective"]),
        "metrics": metrics,
        "search_space": parameters,
        "sampler": sampler,
        "pruner": _pruner(values.get("pruner", {})),
        "budget": replace(budget, trials=sum(tier.trials for tier in tiers)) if tiers else budget,
        "retry": RetrySpec(**values.get("retry", {})),
        "warm_start": points,
        "constraints": tuple(
            ConstraintSpec(name, c.operator, c.bound) for name, c in values.get("constraints", {}).items()
        ),
        "tiers": tiers,
    }
    return StudySpec(**{"name" if key == "study" else key: value for key, value in {**values, **shaped}.items()})


def _sampler(values: Mapping[str, Any]) -> SamplerSpec:
    arguments = {key: value for key, value in values.items() if key not in ("name", "seed")}
    return SamplerSpec(values.get("name", SamplerSpec().name), values.get("seed"), arguments)


def _pruner(values: Mapping[str, Any]) -> PrunerSpec:
    arguments = {key: value for key, value in values.items() if key not in ("name", "metric")}
    return PrunerSpec(values.get("name", PrunerSpec().name), arguments, values.get("metric"))


def _budget(values: Mapping[str, Any], metrics: tuple[MetricSpec, ...]) -> BudgetSpec:
    target = values.get("target", {})
    if not isinstance(target, Mapping):
        target = {metrics[0].name: target}
    return BudgetSpec(**{**values, "target": target})
