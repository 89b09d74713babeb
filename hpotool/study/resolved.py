"""A StudySpec back in the grammar of a study file, with every default written out."""

from __future__ import annotations

from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hpotool.study.spec import NO_DEFAULT, BudgetSpec, ObjectiveSpec, ParameterSpec, StudySpec
from hpotool.study.units import format_duration, format_size


def to_document(spec: StudySpec) -> dict[str, Any]:
    """``spec`` as plain JSON data that ``read_study_data`` reads back as an equal one.

    Metrics and parameters are lists of one-key mappings, because their order matters and jsonb does not keep that
    of keys.
    """
    document: dict[str, Any] = {
        "study": spec.name,
        "objective": _objective(spec.objective),
        "metrics": [{metric.name: metric.direction} for metric in spec.metrics],
        "constraints": [{c.name: f"{c.operator} {c.bound!r}"} for c in spec.constraints],
        "search_space": [{parameter.name: _parameter(parameter)} for parameter in spec.search_space],
        "sampler": {"name": spec.sampler.name, "seed": spec.sampler.seed, **spec.sampler.arguments},
        "pruner": {"name": spec.pruner.name, "metric": spec.pruner.metric, **spec.pruner.arguments},
        "budget": _budget(spec.budget),
        "retry": dict(vars(spec.retry)),
        "warm_start": [dict(point) for point in spec.warm_start],
        "strict": spec.strict,
        "duplicates": spec.duplicates,
        "on_oom": spec.on_oom,
        "tiers": [{"trials": tier.trials, "steps": tier.steps} for tier in spec.tiers],
        "keep": {"best": "all" if spec.keep.best is None else spec.keep.best, "last": spec.keep.last},
    }
    if not spec.tiers:
        del document["tiers"]
    if spec.breaker != "on":  # absent where it is on, as in studies that were stored before it was there
        document["breaker"] = spec.breaker
    for algorithm, key in (("sampler", "seed"), ("pruner", "metric")):
        if document[algorithm][key] is None:
            del document[algorithm][key]
    return document


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None and value != {}}


def _objective(objective: ObjectiveSpec) -> dict[str, Any]:
    return _present(
        {
            "python": objective.python,
            "command": None if objective.command is None else list(objective.command),
            "timeout": None if objective.timeout is None else format_duration(objective.timeout),
            "stall": None if objective.stall is None else format_duration(objective.stall),
            "max_memory": None if objective.max_memory is None else format_size(objective.max_memory),
            "isolation": objective.isolation,
            "environment": dict(objective.environment),
            "patterns": dict(objective.patterns),
            "take": dict(objective.take),
            "result_file": objective.result_file,
        }
    )


def _parameter(parameter: ParameterSpec) -> dict[str, Any]:
    distribution = parameter.distribution
    content: dict[str, Any]
    if isinstance(distribution, CategoricalDistribution):
        content = {"choice": list(distribution.choices)}
    else:
        assert isinstance(distribution, (FloatDistribution, IntDistribution))
        head = "float" if isinstance(distribution, FloatDistribution) else "int"
        content = {head: [distribution.low, distribution.high]}
        if distribution.log:
            content["log"] = True
        elif distribution.step is not None and not (head == "int" and distribution.step == 1):
            content["step"] = distribution.step
    if parameter.when:
        content["when"] = {parent: list(values) for parent, values in parameter.when.items()}
    if parameter.default is not NO_DEFAULT:
        content["default"] = parameter.default
    return content


def _budget(budget: BudgetSpec) -> dict[str, Any]:
    wall = None if budget.wall is None else format_duration(budget.wall)
    return _present({**vars(budget), "wall": wall, "prices": dict(budget.prices), "target": dict(budget.target)})
