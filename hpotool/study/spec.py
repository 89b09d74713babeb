"""What a study is, as one frozen value: the resolved content of a study file.

Parsing and validation live in ``hpotool.study.file``, which also gives it back as plain JSON data in the study
file's own grammar, with every default written out (``resolved``): that is what is stored with the study, so that
every worker agrees on it and a later version's defaults cannot change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from hpotool.study.outcome import COUNTED, Outcome

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Direction = Literal["minimize", "maximize"]
Isolation = Literal["process", "none"]
Duplicates = Literal["allow", "skip", "replicate"]
OnOom = Literal["fail", "infeasible"]
Breaker = Literal["on", "off"]
Take = Literal["last", "min", "max"]


class NoDefault(Enum):
    """The type of NO_DEFAULT: None cannot mean "no default", as a choice may well be None."""

    NO_DEFAULT = "no default"


NO_DEFAULT = NoDefault.NO_DEFAULT


@dataclass(frozen=True)
class ObjectiveSpec:
    """What one attempt runs: a Python callable ``module:function``, or the argument list of a command.

    ``command`` and ``environment`` may hold ``${NAME}``: it stays as it is here and in the database, and each
    worker puts in its own environment's value when it starts the command.
    """

    python: str | None = None
    command: tuple[str, ...] | None = None
    timeout: timedelta | None = None
    stall: timedelta | None = None
    max_memory: int | None = None  # bytes, of the whole process tree
    isolation: Isolation = "process"
    environment: Mapping[str, str] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(
        default_factory=dict
    )  # metric -> regex with one group, for a command's output
    take: Mapping[str, Take] = field(
        default_factory=dict
    )  # metric -> which of a series is its value; default last
    result_file: str | None = None  # JSON that a command leaves in its working folder


@dataclass(frozen=True)
class MetricSpec:
    """One value that the objective returns, and which way is better."""

    name: str
    direction: Direction


@dataclass(frozen=True)
class ConstraintSpec:
    """A bound on something that the objective reports: only trials within it are feasible."""

    name: str
    operator: Literal["<=", ">="]
    bound: float

    def violation(self, value: float) -> float:
        """How far ``value`` is outside: zero or less is feasible, as ``Trial.set_constraint`` wants it."""
        return value - self.bound if self.operator == "<=" else self.bound - value


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter: its distribution, and the conditions under which it exists at all."""

    name: str
    distribution: BaseDistribution
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # parent -> the values that switch it on
    default: Any = NO_DEFAULT  # what trials from before it was added used in effect


@dataclass(frozen=True)
class SamplerSpec:
    """The sampler by name, with its seed and what else its constructor takes."""

    name: str = "auto"
    seed: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PrunerSpec:
    """The pruner by name, what its constructor takes, and the metric it judges when there are several."""

    name: str = "none"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    metric: str | None = None


@dataclass(frozen=True)
class BudgetSpec:
    """When the study is done. ``None`` means no such limit."""

    trials: int | None = None  # COMPLETE or PRUNED
    wall: timedelta | None = None  # since the study's first attempt, over restarts and idle times
    gpu_hours: float | None = None
    cost: float | None = None  # in the currency of ``prices``
    prices: Mapping[str, float] = field(default_factory=dict)  # part of a device's name -> price of an hour
    target: Mapping[str, float] = field(default_factory=dict)  # metric -> the value that is good enough
    patience: int | None = None  # finished trials without an improvement
    failed: int | None = None  # trials that ended FAIL


@dataclass(frozen=True)
class PopulationSpec:
    """How ``sampler: pbt`` trains a population: the arguments that the study file may give it."""

    interval: int  # steps that a member trains in one trial
    population_size: int = 8
    quantile_fraction: float = 0.25  # so many of the worst go on from one of so many of the best
    resample_probability: float = 0.25  # of each parameter, when it is explored; else it is perturbed
    explore: tuple[str, ...] = ()  # parameters that may change on the way; empty: all

    def explore_among(self, params: Mapping[str, Any]) -> list[str]:
        """The names of those parameters that may change, in the order of the alphabet."""
        return sorted(params.keys() & self.explore if self.explore else params)


@dataclass(frozen=True)
class TierSpec:
    """One tier of a study: how many trials run in it, and up to which step each of them goes."""

    trials: int
    steps: int


_RETRY_LIMITS = [(outcome.value, int, field(default=retries)) for outcome, retries in COUNTED.items()]


class RetrySpec(make_dataclass("_RetryLimits", _RETRY_LIMITS, frozen=True)):  # type: ignore[misc]
    """How many times a trial is tried again: a field for each outcome after which that is counted."""

    def limit_after(self, outcome: Outcome) -> int | None:
        """How often a trial is tried again after ``outcome``; None where that is not counted."""
        return getattr(self, outcome.value) if outcome in COUNTED else None


DEFAULT_RETRY = RetrySpec()


@dataclass(frozen=True)
class KeepSpec:
    """Which checkpoints stay: those of the ``best`` finished trials (None: of all), the ``last`` ones of each."""

    best: int | None = 3
    last: int = 2


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
    retry: RetrySpec = DEFAULT_RETRY
    warm_start: tuple[Mapping[str, Any], ...] = ()
    constraints: tuple[ConstraintSpec, ...] = ()
    strict: bool = False
    duplicates: Duplicates = "allow"
    on_oom: OnOom = "fail"
    breaker: Breaker = "on"
    keep: KeepSpec = KeepSpec()
    tiers: tuple[TierSpec, ...] = ()
    baseline: Mapping[str, Any] | None = None  # the point that is to be beaten
    holdout: tuple[str | int, ...] = ()  # data or folds that no trial of the search is told of
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_replicates(self) -> bool:
        """Whether trials of the same point are replicates, compared by their mean."""
        return self.duplicates == "replicate"

    @property
    def branch_places(self) -> int:
        """How many of the budget's trials go on from another trial: all but a tiered study's first tier, and all
        but the first of each member of a population."""
        if self.tiers:
            return sum(tier.trials for tier in self.tiers[1:])
        if self.population is None or self.budget.trials is None:
            return 0
        return max(0, self.budget.trials - self.population.population_size)

    @property
    def population(self) -> PopulationSpec | None:
        """How the study trains a population; None where it does not."""
        if self.sampler.name != "pbt":
            return None
        arguments = dict(self.sampler.arguments)
        return PopulationSpec(**arguments | {"explore": tuple(arguments.get("explore", ()))})
