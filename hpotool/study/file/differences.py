"""Compares an existing study with its changed file: the differences, and which of them can be applied.

A change is safe if every finished trial stays valid: budgets, limits, a wider range, a new parameter with a
default. A change is refused if Optuna does not support it within one study (other choices, another kind, log or
not), or if trials would no longer be comparable (metrics, the objective, a narrower range, another sampler).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hpotool.study.branch import describe_tiers
from hpotool.study.file.grammar.study import OBJECTIVE, STUDY
from hpotool.study.space import describe_range, say_number
from hpotool.study.spec import NO_DEFAULT, ObjectiveSpec, ParameterSpec, StudySpec
from hpotool.study.units import format_duration


@dataclass(frozen=True)
class Difference:
    """One difference between the file and the stored study, as a sentence."""

    sentence: str
    is_safe: bool


def differences(stored: StudySpec, new: StudySpec) -> tuple[Difference, ...]:
    """The differences between ``new`` and ``stored``, in the order of the study file; empty if there are none.

    A missing seed in ``new`` is not a difference: the stored seed was drawn when the study was created.
    """
    compared = (_SHAPED[name] if name in _SHAPED else partial(_plain, name) for name in STUDY.keys)
    return tuple(difference for compare in compared for difference in compare(stored, new))


def differences_in_measuring(source: StudySpec, target: StudySpec) -> list[str]:
    """Why results of ``source`` are not valid for ``target``, as sentences; empty if both measure the same.

    Search space, sampler, budget and limits may differ. Data and code are not part of a study file.
    """
    compared: list[tuple[str, Callable[[StudySpec], Any], Callable[[StudySpec], str]]] = [
        ("the metrics are", lambda spec: spec.metrics, _describe_metrics),
        ("the constraints are", lambda spec: spec.constraints, _describe_constraints),
        ("the objective is", lambda spec: _code(spec.objective), lambda spec: _describe_objective(spec.objective)),
        *(
            (
                f"objective.{name} is",
                lambda spec, name=name: getattr(spec.objective, name) or None,
                lambda spec, name=name: _format(getattr(spec.objective, name)),
            )
            for name, key in OBJECTIVE.keys.items()
            if key.decides_values
        ),
    ]
    found = [
        f"{subject} {say(source)} in {source.name!r} and {say(target)} in {target.name!r}"
        for subject, value, say in compared
        if value(source) != value(target)
    ]
    found += [
        f"the trials of {spec.name!r} continue each other, so their values depend on the number of steps"
        for spec in (source, target)
        if spec.tiers or spec.population is not None
    ]
    return found


def resumed(stored: StudySpec, new: StudySpec) -> StudySpec:
    """The settings to store when ``new``, with only safe differences, replaces ``stored``; the seed is kept."""
    return replace(new, sampler=replace(new.sampler, seed=stored.sampler.seed))


def way_out(study: str) -> str:
    """The hint for refused differences: the commands to use instead."""
    return (
        f"keep the study as it is, or create another one from this file with --set study={study}-2, "
        f"and hpotool enqueue --study {study}-2 --from-study {study} --top 20"
    )


def _refused(subject: str, old: str, new: str, reason: str) -> Iterator[Difference]:
    if old != new:
        yield Difference(f"{subject} {old} in the study and {new} here; {reason}", False)


def _plain(name: str, stored: StudySpec, new: StudySpec) -> Iterator[Difference]:
    """The difference in a key, compared as a whole or, if it has fields, field by field."""
    old, now, refused = getattr(stored, name), getattr(new, name), STUDY.keys[name].refused
    if is_dataclass(old):
        yield from _safe_fields(name, old, now)
    elif refused is not None:
        yield from _refused(f"{name} is", _format(old), _format(now), refused)
    elif old != now:
        yield Difference(f"{name} changes from {_format(old)} to {_format(now)}", True)


def _safe_fields(name: str, stored: Any, new: Any, without: Sequence[str] = ()) -> Iterator[Difference]:
    for field in fields(stored):
        old, now = getattr(stored, field.name), getattr(new, field.name)
        if old != now and field.name not in without:
            yield Difference(f"{name}.{field.name} changes from {_format(old)} to {_format(now)}", True)


def _format(value: Any) -> str:
    if value is None or value in ({}, ()):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_format(inner)}" for key, inner in value.items())
    if isinstance(value, tuple):
        return ", ".join(_format(inner) for inner in value)
    return say_number(value) if isinstance(value, float) else str(value)


def _objective(stored: ObjectiveSpec, new: ObjectiveSpec) -> Iterator[Difference]:
    if _code(stored) != _code(new):
        old, now = _describe_objective(stored), _describe_objective(new)
        sentence = f"the objective is {old} in the study and {now} here; finished trials ran the old one"
        yield Difference(sentence, False)
    yield from _safe_fields("objective", stored, new, without=("python", "command"))


def _describe_objective(objective: ObjectiveSpec) -> str:
    return objective.python or " ".join(map(_quote, objective.command or ()))


def _quote(argument: str) -> str:
    """An argument as it would be typed; one of a single word stays as it is."""
    return argument if argument.split() == [argument] else shlex.quote(argument)


def _code(objective: ObjectiveSpec) -> tuple[Any, ...]:
    return objective.python, objective.command


def _describe_metrics(spec: StudySpec) -> str:
    return ", ".join(f"{metric.name}: {metric.direction}" for metric in spec.metrics)


def _describe_constraints(spec: StudySpec) -> str:
    return ", ".join(f"{c.name} {c.operator} {say_number(c.bound)}" for c in spec.constraints) or "none"


def _describe_sampler(stored: StudySpec, new: StudySpec | None = None) -> str:
    sampler = (new or stored).sampler
    seed = stored.sampler.seed if sampler.seed is None else sampler.seed
    return _describe_algorithm(sampler.name, {"seed": seed, **sampler.arguments})


def _describe_pruner(spec: StudySpec) -> str:
    return _describe_algorithm(spec.pruner.name, {"metric": spec.pruner.metric, **spec.pruner.arguments})


def _describe_algorithm(name: str, arguments: Mapping[str, Any]) -> str:
    given = [f"{key}={value}" for key, value in sorted(arguments.items()) if value is not None]
    return f"{name}({', '.join(given)})" if given else name


def _warm_start(stored: StudySpec, new: StudySpec) -> Iterator[Difference]:
    added = [point for point in new.warm_start if point not in stored.warm_start]
    if added or len(new.warm_start) != len(stored.warm_start):
        sentence = (
            "warm_start differs, but is only read when a study is created; queue points with hpotool enqueue"
        )
        yield Difference(sentence, True)


def _tiers(stored: StudySpec, new: StudySpec) -> Iterator[Difference]:
    old, now = (describe_tiers(spec.tiers) or "none" for spec in (stored, new))
    yield from _refused("the tiers are", old, now, "finished trials trained to the old steps")


def _search_space(stored: Sequence[ParameterSpec], new: Sequence[ParameterSpec]) -> Iterator[Difference]:
    old_by_name = {parameter.name: parameter for parameter in stored}
    new_by_name = {parameter.name: parameter for parameter in new}
    for name in old_by_name:
        if name not in new_by_name:
            yield Difference(f"parameter {name!r} is removed, but finished trials differ in it", False)
    for name, parameter in new_by_name.items():
        if name in old_by_name:
            yield from _parameter(old_by_name[name], parameter)
        elif parameter.default is NO_DEFAULT:
            sentence = (
                f"parameter {name!r} is new and has no default, so the value that finished trials used is unknown"
            )
            yield Difference(f"{sentence}; add default: VALUE to it", False)
        else:
            before = f"earlier trials used {parameter.default!r}, and the sampler learns it from later trials only"
            sentence = f"parameter {name!r} is new; {before}"
            yield Difference(sentence, True)


def _parameter(stored: ParameterSpec, new: ParameterSpec) -> Iterator[Difference]:
    if stored.distribution != new.distribution:
        old, now = _describe_range(stored), _describe_range(new)
        change = f"parameter {new.name!r} changes from {old} to {now}"
        reason = _reason_to_refuse(stored.distribution, new.distribution)
        yield Difference(f"{change}; {reason}" if reason else change, reason is None)
    if stored.default != new.default:
        old, now = (_format_default(parameter) for parameter in (stored, new))
        yield Difference(f"the default of {new.name!r} changes from {old} to {now}", True)
    if dict(stored.when) != dict(new.when):
        wider = all(
            parent in stored.when and set(stored.when[parent]) <= set(new.when[parent]) for parent in new.when
        )
        change = f"parameter {new.name!r} exists {_describe_when(new)} instead of {_describe_when(stored)}"
        yield Difference(
            change if wider else f"{change}; some finished trials have it where it would not exist now", wider
        )


def _format_default(parameter: ParameterSpec) -> str:
    return "none" if parameter.default is NO_DEFAULT else repr(parameter.default)


def _describe_range(parameter: ParameterSpec) -> str:
    log = " on a log scale" if getattr(parameter.distribution, "log", False) else ""
    return describe_range(parameter.distribution) + log


def _describe_when(parameter: ParameterSpec) -> str:
    conditions = [f"{parent} is {' or '.join(map(str, values))}" for parent, values in parameter.when.items()]
    return f"when {' and '.join(conditions)}" if parameter.when else "always"


def _reason_to_refuse(old: Any, new: Any) -> str | None:
    """Why ``new`` cannot replace ``old`` within a study; None if every old value is also a new one."""
    if type(old) is not type(new):
        return "Optuna allows only one kind per parameter within a study"
    if isinstance(old, CategoricalDistribution):
        return "Optuna does not let the choices of a parameter change within a study"
    assert isinstance(old, (FloatDistribution, IntDistribution))
    if old.log != new.log:
        return "Optuna does not let a parameter's scale change within a study"
    if new.low > old.low or new.high < old.high:
        return "finished trials may lie outside the narrower range"
    if new.step is not None and not _grid_contains(new, old):
        return "finished trials may lie between the new steps"
    return None


def _grid_contains(new: Any, old: Any) -> bool:
    if old.step is None:
        return False
    new_low, new_step, old_low, old_step = (Decimal(str(x)) for x in (new.low, new.step, old.low, old.step))
    return (old_low - new_low) % new_step == 0 and old_step % new_step == 0


# Keys that need more than a comparison of two values, or a message of their own.
_SHAPED: Mapping[str, Callable[[StudySpec, StudySpec], Iterable[Difference]]] = {
    "study": lambda stored, new: (),  # the stored study was found by its name
    "objective": lambda stored, new: _objective(stored.objective, new.objective),
    "metrics": lambda stored, new: _refused(
        "the metrics are", _describe_metrics(stored), _describe_metrics(new), "finished trials have the old ones"
    ),
    "constraints": lambda stored, new: _refused(
        "the constraints are",
        _describe_constraints(stored),
        _describe_constraints(new),
        "finished trials were judged by the old ones",
    ),
    "search_space": lambda stored, new: _search_space(stored.search_space, new.search_space),
    "sampler": lambda stored, new: _refused(
        "the sampler is", _describe_sampler(stored), _describe_sampler(stored, new), "a study has only one sampler"
    ),
    "pruner": lambda stored, new: _refused(
        "the pruner is",
        _describe_pruner(stored),
        _describe_pruner(new),
        "finished trials were pruned by the old one",
    ),
    "tiers": _tiers,
    "warm_start": _warm_start,
}
