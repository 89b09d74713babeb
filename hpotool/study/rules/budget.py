"""When a study is done, and what may still be claimed.

``trials: N`` means that exactly N trials end COMPLETE or PRUNED. RUNNING and WAITING trials hold a place, and FAIL
gives it back. The other limits end the study at the first moment at which they are seen reached: nothing new is
claimed, and what still runs is handed back, so that a larger budget goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import reduce
from typing import TypeVar

from hpotool.study.rules.replicates import Measurement, average
from hpotool.study.spec import BudgetSpec, MetricSpec
from hpotool.study.units import format_duration

_Front = tuple[tuple[float, ...], ...]  # lower is better


@dataclass(frozen=True)
class FinishedTrial:
    """A finished trial as the budget sees it: ``values`` in the order of the metrics, None where it was pruned.

    Where trials of a point are its replicates, ``point`` names it, and what counts is their mean. A trial that was
    taken over from another study can reach the target and is there to be beaten; it costs no patience.
    """

    values: tuple[float, ...] | None
    violations: Mapping[str, float] = field(default_factory=dict)
    point: str | None = None
    is_taken_over: bool = False


@dataclass(frozen=True)
class Progress:
    """What the finished trials add up to, in the order in which they finished; ``advance`` adds one more."""

    front: _Front = ()  # feasible values that no other feasible ones dominate
    finished_since_improvement: int = 0
    replicates: Mapping[str, tuple[Measurement, ...]] = field(default_factory=dict)  # by point, if any has a name


@dataclass(frozen=True)
class Usage:
    """What a study has used so far.

    ``failed`` counts the trials that stay failed: those that were handed on to a retry or a requeue are not in it.
    ``wall`` is the time since the first attempt began, idle times and restarts included, by the database's clock.
    """

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    wall: timedelta = timedelta()
    gpu_hours: float = 0.0
    cost: float = 0.0
    progress: Progress = field(default_factory=Progress)

    @property
    def finished(self) -> int:
        """The trials that count towards ``budget.trials``."""
        return self.complete + self.pruned


@dataclass(frozen=True)
class ReachedLimit:
    """The limit that ends the study: its key in the budget, and a sentence for people."""

    key: str
    reason: str


def reached_limit(budget: BudgetSpec, metrics: Sequence[MetricSpec], usage: Usage) -> ReachedLimit | None:
    """The first limit that is reached, in the order of BudgetSpec; None while the study may go on."""
    for key, reason in (
        ("trials", _trials(budget, usage)),
        ("wall", _amount("of wall time", budget.wall, usage.wall, format_duration)),
        ("gpu_hours", _amount("GPU hours", budget.gpu_hours, usage.gpu_hours, "{:g}".format)),
        ("cost", _amount("of cost", budget.cost, usage.cost, "{:g}".format)),
        ("target", _target(budget, metrics, usage)),
        ("patience", _patience(budget, usage)),
        ("failed", _failed(budget, usage)),
    ):
        if reason is not None:
            return ReachedLimit(key, reason)
    return None


def _trials(budget: BudgetSpec, usage: Usage) -> str | None:
    if budget.trials is None or usage.finished < budget.trials:
        return None
    return f"{usage.finished} of {budget.trials} trials are finished"


_Amount = TypeVar("_Amount", timedelta, float)


def _amount(what: str, limit: _Amount | None, used: _Amount, describe: Callable[[_Amount], str]) -> str | None:
    if limit is None or used < limit:
        return None
    return f"{describe(used)} {what} used, of {describe(limit)}"


def _target(budget: BudgetSpec, metrics: Sequence[MetricSpec], usage: Usage) -> str | None:
    if not budget.target:
        return None
    wanted = [
        (index, lower_is_better(budget.target[metric.name], metric))
        for index, metric in enumerate(metrics)
        if metric.name in budget.target
    ]
    for values in usage.progress.front:
        if all(values[index] <= target for index, target in wanted):
            said = ", ".join(f"{name} {target:g}" for name, target in budget.target.items())
            return f"a trial reached the target ({said})"
    return None


def _patience(budget: BudgetSpec, usage: Usage) -> str | None:
    if budget.patience is None or usage.progress.finished_since_improvement < budget.patience:
        return None
    return f"no improvement in the last {usage.progress.finished_since_improvement} finished trials"


def _failed(budget: BudgetSpec, usage: Usage) -> str | None:
    if budget.failed is None or usage.failed < budget.failed:
        return None
    return f"{usage.failed} trials failed, of {budget.failed} that the budget bears"


def lower_is_better(value: float, metric: MetricSpec) -> float:
    """``value`` with its sign turned where the metric is maximized."""
    return -value if metric.direction == "maximize" else value


def advance(progress: Progress, trial: FinishedTrial, metrics: Sequence[MetricSpec]) -> Progress:
    """``progress`` after one more finished trial.

    It improves when it is feasible and complete, and no earlier feasible trial is as good in every metric.
    Waiting for the first feasible trial is not impatience: the count begins with it. A point with replicates is
    compared by their mean, with what was best before; it may lose its own place on the front.
    """
    replicates, measured = progress.replicates, None
    if trial.values is not None:
        measured = Measurement(trial.values, trial.violations)
        if trial.point is not None:
            replicates = {**replicates, trial.point: (*replicates.get(trial.point, ()), measured)}
            measured = average(replicates[trial.point])
    front = progress.front if measured is None else _join_front(progress.front, measured, metrics)
    improves = front is not progress.front
    if trial.point is not None and len(replicates.get(trial.point, ())) > 1:
        front = reduce(
            lambda so_far, one: _join_front(so_far, one, metrics), map(average, replicates.values()), ()
        )
    if improves or not front:
        return Progress(front, 0, replicates)
    return Progress(front, progress.finished_since_improvement + (not trial.is_taken_over), replicates)


def _join_front(front: _Front, measured: Measurement, metrics: Sequence[MetricSpec]) -> _Front:
    """The front with one more on it; ``front`` itself where it does not belong there."""
    values = tuple(lower_is_better(value, metric) for value, metric in zip(measured.values, metrics, strict=True))
    if not measured.is_feasible or any(_is_as_good(other, values) for other in front):
        return front
    return (*(other for other in front if not _is_as_good(values, other)), values)


def _is_as_good(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))


def price_of_device(prices: Mapping[str, float], device: str | None) -> float | None:
    """What an hour of ``device`` costs: the longest name in ``prices`` that is part of its name; None: not known.

    A worker without a device goes by the name ``cpu``, and costs nothing where that has no price.
    """
    if device is None:
        return prices.get("cpu", 0.0)
    names = [name for name in prices if name.lower() in device.lower()]
    return prices[max(names, key=len)] if names else None


def gpus_of_slot(slot: str) -> int:
    """How many GPUs a worker's slot has: none for ``cpu``, two for ``gpu 0,1`` and ``0,1 (NVIDIA H100)``."""
    devices = slot.partition("(")[0].removeprefix("gpu").strip()
    return 0 if devices in ("", "cpu", "none") else len(devices.split(","))


def hours_on_gpus(hours_by_slot: Mapping[str, float]) -> float:
    """The hours of attempts, times the GPUs that each had for itself."""
    return sum(hours * gpus_of_slot(slot) for slot, hours in hours_by_slot.items())


def total_cost(hours_by_slot: Mapping[str, float], prices: Mapping[str, float]) -> float:
    """What the hours cost; a slot without a price costs nothing, which is why workers refuse to start on one."""
    total = 0.0
    for slot, hours in hours_by_slot.items():
        gpus = gpus_of_slot(slot)
        price = price_of_device(prices, slot if gpus else None) or 0.0
        total += hours * price * max(1, gpus)
    return total
