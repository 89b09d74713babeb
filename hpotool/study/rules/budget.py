"""Decides when a study is done, and whether more trials may be claimed.

``trials: N`` means that exactly N trials end COMPLETE or PRUNED. RUNNING and WAITING trials count as reserved, and
FAIL releases the reservation. The other limits end the study as soon as a worker sees that one has been reached:
no new trial is claimed, and running trials are requeued, so that a larger budget continues from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import reduce
from typing import TypeVar

from hpotool.study.rules.regret import PROBABILITY, Regret, is_hardly_anything
from hpotool.study.rules.replicates import Measurement, average
from hpotool.study.spec import BudgetSpec, MetricSpec
from hpotool.study.units import format_duration
from hpotool.study.wording import count_of, format_amount

_Front = tuple[tuple[float, ...], ...]  # lower is better


@dataclass(frozen=True)
class FinishedTrial:
    """A finished trial as the budget sees it: ``values`` in the order of the metrics, or None if it was pruned.

    If trials of a point are replicates, ``point`` identifies it, and their mean counts. A trial that was copied
    from another study can reach the target and must be beaten, but does not count towards patience.
    """

    values: tuple[float, ...] | None
    violations: Mapping[str, float] = field(default_factory=dict)
    point: str | None = None
    is_taken_over: bool = False


@dataclass(frozen=True)
class Progress:
    """The state accumulated over the finished trials, in the order in which they finished; `advance` adds one."""

    front: _Front = ()  # the feasible values that no other feasible values dominate
    finished_since_improvement: int = 0
    replicates: Mapping[str, tuple[Measurement, ...]] = field(default_factory=dict)  # by point, if there are any


@dataclass(frozen=True)
class Usage:
    """A study's usage so far.

    ``failed`` counts the trials that stay failed, without those that were retried or requeued. ``wall`` is the
    time since the first attempt started, including idle time and restarts, by the database's clock. ``regret`` is
    what the latest looks found that further search may gain.
    """

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    wall: timedelta = timedelta()
    gpu_hours: float = 0.0
    cost: float = 0.0
    progress: Progress = field(default_factory=Progress)
    regret: tuple[Regret | None, ...] = ()

    @property
    def finished(self) -> int:
        """The trials that count towards ``budget.trials``."""
        return self.complete + self.pruned


@dataclass(frozen=True)
class ReachedLimit:
    """The limit that ends the study: its key in the budget, and a sentence."""

    key: str
    reason: str


def reached_limit(budget: BudgetSpec, metrics: Sequence[MetricSpec], usage: Usage) -> ReachedLimit | None:
    """The first limit reached, in the order of BudgetSpec; None while the study may continue."""
    for key, reason in (
        ("trials", _trials(budget, usage)),
        ("wall", _amount("of wall time", budget.wall, usage.wall, format_duration)),
        ("gpu_hours", _amount("GPU hours", budget.gpu_hours, usage.gpu_hours, format_amount)),
        ("cost", _amount("of cost", budget.cost, usage.cost, format_amount)),
        ("target", _target(budget, metrics, usage)),
        ("patience", _patience(budget, usage)),
        ("regret", _regret(budget, usage)),
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
    return f"no improvement in the last {count_of(usage.progress.finished_since_improvement, 'finished trial')}"


def _regret(budget: BudgetSpec, usage: Usage) -> str | None:
    if budget.regret is None or not is_hardly_anything(usage.regret, budget.regret):
        return None
    found = usage.regret[-1]
    assert found is not None
    return (
        f"after {found.trials} trials, further search gains at most {found.at_most:.3g} with probability "
        f"{PROBABILITY:g}, and the budget asks for {budget.regret:g}"
    )


def _failed(budget: BudgetSpec, usage: Usage) -> str | None:
    if budget.failed is None or usage.failed < budget.failed:
        return None
    return f"{count_of(usage.failed, 'trial')} failed, and the budget allows {budget.failed}"


def lower_is_better(value: float, metric: MetricSpec) -> float:
    """``value``, negated if the metric is maximized."""
    return -value if metric.direction == "maximize" else value


def advance(progress: Progress, trial: FinishedTrial, metrics: Sequence[MetricSpec]) -> Progress:
    """``progress`` after one more finished trial.

    A trial is an improvement if it is feasible and complete, and no earlier feasible trial is as good in every
    metric. Patience is counted only from the first feasible trial on. A point with replicates is compared by their
    mean with the earlier best; it may lose its own place on the front.
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
    """The front after adding one point; ``front`` itself if the point does not belong on it."""
    values = tuple(lower_is_better(value, metric) for value, metric in zip(measured.values, metrics, strict=True))
    if not measured.is_feasible or any(_is_as_good(other, values) for other in front):
        return front
    return (*(other for other in front if not _is_as_good(values, other)), values)


def _is_as_good(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))


def price_of_device(prices: Mapping[str, float], device: str | None) -> float | None:
    """The hourly price of ``device``, by the longest key of ``prices`` contained in its name; None if unknown.

    A worker without a device is named ``cpu``, and is free if ``cpu`` has no price.
    """
    if device is None:
        return prices.get("cpu", 0.0)
    names = [name for name in prices if name.lower() in device.lower()]
    return prices[max(names, key=len)] if names else None


def gpus_of_slot(slot: str) -> int:
    """The number of GPUs in a worker's slot: none for ``cpu``, two for ``gpu 0,1`` and ``0,1 (NVIDIA H100)``."""
    devices = slot.partition("(")[0].removeprefix("gpu").strip()
    return 0 if devices in ("", "cpu", "none") else len(devices.split(","))


def hours_on_gpus(hours_by_slot: Mapping[str, float]) -> float:
    """The hours of all attempts, each multiplied by its number of GPUs."""
    return sum(hours * gpus_of_slot(slot) for slot, hours in hours_by_slot.items())


def total_cost(hours_by_slot: Mapping[str, float], prices: Mapping[str, float]) -> float:
    """The cost of the hours. A slot without a price costs nothing, so workers refuse to start on one."""
    total = 0.0
    for slot, hours in hours_by_slot.items():
        gpus = gpus_of_slot(slot)
        price = price_of_device(prices, slot if gpus else None) or 0.0
        total += hours * price * max(1, gpus)
    return total
