"""Reads a study file: YAML text → StudySpec, or every problem at once, each with its line and column.

Three steps, in order: the text becomes a document that knows its places (``document``), the grammar reads it
(``grammar``), and what only several keys together can get wrong is checked (``checks``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hpotool.study.document import Node, Place, Problems, from_plain, override, parse_yaml
from hpotool.study.file.checks import check_study
from hpotool.study.file.grammar import STUDY
from hpotool.study.file.kinds import BROKEN, child
from hpotool.study.file.resolved import to_document
from hpotool.study.file.space_grammar import Draft, finish_parameters
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


def read_study_file(text: str, file: str | None = None, overrides: Sequence[str] = ()) -> StudySpec:
    """The study that the YAML ``text`` of ``file`` describes, with ``key.key=value`` overrides put in.

    Raises:
        StudyFileError: all that is wrong, in the order in which it stands in the file.
    """
    problems = Problems()
    return read_document(override(parse_yaml(text, file), overrides, problems), problems)


def read_study_data(data: Mapping[str, Any]) -> StudySpec:
    """The study that stored data in the grammar of a study file describes.

    Keys of a newer hpotool are passed over: workers of the last release live through an upgrade.

    Raises:
        StudyFileError: all that is wrong with it.
    """
    return read_document(from_plain(data, Place()), Problems(allows_unknown_keys=True))


def change_budget(spec: StudySpec, assignments: Sequence[str], lifted: Sequence[str] = ()) -> StudySpec:
    """``spec`` with ``budget.key=value`` assignments put in, and without the limits that are ``lifted``.

    Raises:
        StudyFileError: all that is wrong with the result.
    """
    problems, data = Problems(), to_document(spec)
    data["budget"] = {key: value for key, value in data["budget"].items() if key not in lifted}
    return read_document(override(from_plain(data, Place()), assignments, problems), problems)


def read_document(document: Node, problems: Problems | None = None) -> StudySpec:
    """The study that ``document`` describes; ``problems`` are those found on the way to it.

    Raises:
        StudyFileError: all that is wrong, in the order in which it stands in the document.
    """
    problems = Problems() if problems is None else problems
    values = STUDY.read(document, problems)
    if values is not BROKEN:
        drafts: dict[str, Draft] = _good(values.get("search_space"), {})
        parameters = finish_parameters(drafts, problems)
        check_study(document, values, drafts, problems)
        points = _read_points(document, values, drafts, parameters, problems)
        problems.raise_if_any()
        return _build(values, parameters, points)
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
    """The warm start's points as the search space gives them; as they are where the code has the space."""
    points = _good(values.get("warm_start"), ())
    if not drafts:
        return tuple(points)
    if len(parameters) < len(drafts):  # a broken parameter: what the others say about a point could mislead
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


def _build(
    values: Mapping[str, Any], parameters: tuple[ParameterSpec, ...], points: tuple[Mapping[str, Any], ...]
) -> StudySpec:
    metrics = tuple(MetricSpec(name, direction) for name, direction in values["metrics"].items())
    sampler = _sampler(values.get("sampler", {}))
    tiers = tuple(TierSpec(**tier) for tier in values.get("tiers", ()))
    budget = _budget(values.get("budget", {}), metrics)
    # What a spec holds in another shape than the file; every other key is taken as it was read.
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
