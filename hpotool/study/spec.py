"""What a study is, as one frozen value: the resolved content of a study file.

Parsing and validation live in ``hpotool.study.file``; this module only holds the result, and turns it into
plain JSON data and back so that it can be stored with the study and every worker agrees on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Direction = Literal["minimize", "maximize"]
Isolation = Literal["process", "none"]


@dataclass(frozen=True)
class ObjectiveSpec:
    """What one attempt runs: a Python callable ``module:function``, or the argument list of a command."""

    python: str | None = None
    command: tuple[str, ...] | None = None
    timeout: timedelta | None = None
    stall: timedelta | None = None
    max_memory: int | None = None  # bytes, of the whole process tree
    isolation: Isolation = "process"


@dataclass(frozen=True)
class MetricSpec:
    """One value that the objective returns, and which way is better."""

    name: str
    direction: Direction


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter: its distribution, and the conditions under which it exists at all."""

    name: str
    distribution: BaseDistribution
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # parent -> the values that switch it on


@dataclass(frozen=True)
class SamplerSpec:
    """The sampler by name, with its seed and what else its constructor takes."""

    name: str = "tpe"
    seed: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PrunerSpec:
    """The pruner by name, and what its constructor takes."""

    name: str = "none"
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BudgetSpec:
    """When the study is done. ``None`` means no such limit."""

    trials: int | None = None


@dataclass(frozen=True)
class RetrySpec:
    """How many times a trial is tried again after each kind of failure."""

    lost: int = 3
    crash: int = 1
    error: int = 0
    oom: int = 0
    nan: int = 0
    timeout: int = 0
    stalled: int = 1


@dataclass(frozen=True)
class StudySpec:
    """Everything a study is."""

    name: str
    objective: ObjectiveSpec
    metrics: tuple[MetricSpec, ...]
    search_space: tuple[ParameterSpec, ...] = ()
    sampler: SamplerSpec = SamplerSpec()
    pruner: PrunerSpec = PrunerSpec()
    budget: BudgetSpec = BudgetSpec()
    retry: RetrySpec = RetrySpec()
    warm_start: tuple[Mapping[str, Any], ...] = ()
