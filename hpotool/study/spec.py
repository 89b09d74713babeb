"""The definition of a study as one frozen value: the resolved content of a study file.

``hpotool.study.file`` parses and validates it, and converts it back to JSON data in the study file's own grammar,
with every default written out (``resolved``). That form is stored with the study, so that all workers use the same
settings and the defaults of a later version cannot change them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, make_dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from hpotool.study.occasion import OCCASIONS
from hpotool.study.outcome import COUNTED, Outcome

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Direction = Literal["minimize", "maximize"]
Isolation = Literal["process", "none"]
Duplicates = Literal["allow", "skip", "replicate"]
OnOom = Literal["fail", "infeasible"]
Breaker = Literal["on", "off"]
Take = Literal["last", "min", "max"]


def defaults_of(kind: type[Any]) -> dict[str, Any]:
    """What the fields of the dataclass ``kind`` hold where nothing is said; not those that must be given."""
    found = {}
    for each in fields(kind):
        if each.default is not MISSING:
            found[each.name] = each.default
        elif each.default_factory is not MISSING:
            found[each.name] = each.default_factory()
    return found


class NoDefault(Enum):
    """The type of NO_DEFAULT; None cannot mean "no default", because None can be a choice."""

    NO_DEFAULT = "no default"


NO_DEFAULT = NoDefault.NO_DEFAULT


@dataclass(frozen=True)
class ObjectiveSpec:
    """The objective: a Python callable ``module:function``, or the argument list of a command.

    ``command`` and ``environment`` may contain ``${NAME}``. It is unexpanded here and in the database; each worker
    replaces it from its own environment when it starts the command.
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
    )  # metric -> which of its reports is the value; default last
    result_file: str | None = None  # a JSON file that a command writes to its working folder


@dataclass(frozen=True)
class MetricSpec:
    """A value that the objective returns, and whether to minimize or maximize it."""

    name: str
    direction: Direction


@dataclass(frozen=True)
class ConstraintSpec:
    """A bound on a value that the objective reports; only trials that meet it are feasible."""

    name: str
    operator: Literal["<=", ">="]
    bound: float

    def violation(self, value: float) -> float:
        """How far ``value`` is beyond the bound; zero or less is feasible, as for ``Trial.set_constraint``."""
        return value - self.bound if self.operator == "<=" else self.bound - value


@dataclass(frozen=True)
class ParameterSpec:
    """A parameter: its distribution, and the conditions under which it exists."""

    name: str
    distribution: BaseDistribution
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # parent -> values for which it exists
    default: Any = NO_DEFAULT  # the value that trials from before the parameter was added effectively used


@dataclass(frozen=True)
class SamplerSpec:
    """The sampler's name, its seed and its constructor's other arguments."""

    name: str = "auto"
    seed: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PrunerSpec:
    """The pruner's name, its constructor's arguments, and the metric it uses if there are several."""

    name: str = "none"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    metric: str | None = None


@dataclass(frozen=True)
class BudgetSpec:
    """The limits that end a study. ``None`` means no limit."""

    trials: int | None = None  # COMPLETE or PRUNED
    wall: timedelta | None = None  # since the study's first attempt, including restarts and idle time
    gpu_hours: float | None = None
    cost: float | None = None  # in the currency of ``prices``
    prices: Mapping[str, float] = field(default_factory=dict)  # part of a device's name -> price per hour
    target: Mapping[str, float] = field(default_factory=dict)  # metric -> a value that is good enough
    patience: int | None = None  # finished trials without an improvement
    regret: float | None = None  # the most that further search may still gain, in the metric's units
    failed: int | None = None  # trials that ended FAIL


@dataclass(frozen=True)
class PopulationSpec:
    """The settings of a population: the arguments of ``sampler: pbt`` in the study file."""

    interval: int  # steps that a member trains per trial
    population_size: int = 8
    # this fraction of the worst members restarts from a random member of the same fraction of the best
    quantile_fraction: float = 0.25
    resample_probability: float = 0.25  # probability that a parameter is drawn anew, not perturbed
    explore: tuple[str, ...] = ()  # parameters that may change during training; empty: all

    def explore_among(self, params: Mapping[str, Any]) -> list[str]:
        """The names of the parameters that may change, sorted."""
        return sorted(params.keys() & self.explore if self.explore else params)


@dataclass(frozen=True)
class TierSpec:
    """A tier of a study: its number of trials, and the step to which each trains."""

    trials: int
    steps: int


_RETRY_LIMITS = [(outcome.value, int, field(default=retries)) for outcome, retries in COUNTED.items()]


class RetrySpec(make_dataclass("_RetryLimits", _RETRY_LIMITS, frozen=True)):  # type: ignore[misc]
    """The number of retries: one field for each outcome whose retries are counted."""

    def limit_after(self, outcome: Outcome) -> int | None:
        """The number of retries after ``outcome``; None if they are not counted."""
        return getattr(self, outcome.value) if outcome in COUNTED else None


DEFAULT_RETRY = RetrySpec()


@dataclass(frozen=True)
class KeepSpec:
    """The checkpoints to keep: those of the ``best`` finished trials (None: of all), and the ``last`` of each."""

    best: int | None = 3
    last: int = 2


@dataclass(frozen=True)
class TrackingSpec:
    """Where one of the workers exports every trial to. Of ``experiment`` None means the study's name.

    ``artifacts`` is how many bytes of files a final training may send, None: no files. ``model`` is the name that
    MLflow registers them under.
    """

    mlflow: str | None = None
    experiment: str | None = None
    tensorboard: str | None = None
    wandb: str | None = None
    model: str | None = None
    artifacts: int | None = None

    @property
    def most_bytes(self) -> int:
        """The bytes of files that may be sent of a final training; a model that is registered needs its files."""
        if self.artifacts is not None:
            return self.artifacts
        return 0 if self.model is None else 10**9


@dataclass(frozen=True)
class NotifySpec:
    """What people are told; where, the workers' environment says."""

    events: tuple[str, ...] = tuple(OCCASIONS)
    best_every: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class StudySpec:
    """The complete definition of a study."""

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
    gpu_memory: int | None = None  # bytes that a trial may use on each of its GPUs
    keep: KeepSpec = KeepSpec()
    tiers: tuple[TierSpec, ...] = ()
    baseline: Mapping[str, Any] | None = None  # the point that is to be beaten
    holdout: tuple[str | int, ...] = ()  # data or folds that no trial of the search is told of
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    tracking: TrackingSpec = TrackingSpec()
    notify: NotifySpec = NotifySpec()
    reuse: bool = False  # whether an equal trial of another study is not run again
    data: tuple[str, ...] = ()  # files, folders, URLs, .dvc files that the objective reads
    pool: str | None = None  # workers of this pool serve the study, beside workers of its own
    priority: int = 0  # in its pool; the greater one goes first
    weight: float = 1.0  # its share of the pool's places among studies of its priority
    max_running: int | None = None  # how many of its trials run at the same time, in a pool or not
    owner: str | None = None  # whose quota its GPU hours use
    preempt: bool = False  # whether it may take places from studies of lower priority

    @property
    def has_replicates(self) -> bool:
        """Whether trials of the same point are replicates, which are compared by their mean."""
        return self.duplicates == "replicate"

    @property
    def branch_places(self) -> int:
        """The number of the budget's trials that continue another one: all but a tiered study's first tier, or all
        but the first trial of each member of a population."""
        if self.tiers:
            return sum(tier.trials for tier in self.tiers[1:])
        if self.population is None or self.budget.trials is None:
            return 0
        return max(0, self.budget.trials - self.population.population_size)

    @property
    def population(self) -> PopulationSpec | None:
        """The settings of the study's population; None if it has none."""
        if self.sampler.name != "pbt":
            return None
        arguments = dict(self.sampler.arguments)
        return PopulationSpec(**arguments | {"explore": tuple(arguments.get("explore", ()))})
