"""Whether what was measured suffices, and which points are to be measured again.

Pure, and the same for everybody who asks with the same measurements: whichever worker or command asks first orders
the next round, and all others find it ordered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hpotool.study.confirmation.order import Order, list_replicates
from hpotool.study.confirmation.posterior import Floats, Measured, draw_means, probabilities_of_best
from hpotool.study.outcome import Outcome
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.replicates import Measurement, average

_FEWEST_MORE = 2  # replicates that a point gets in a further round
_FEWEST_EQUAL = 4  # replicates of each point whose equality is no chance


@dataclass(frozen=True)
class Replicate:
    """One replicate as it stands now, its retries included.

    ``number`` is the trial's, the newest of its lineage; ``measured`` is there where it has a value for every
    metric. ``state`` is Optuna's.
    """

    reevaluation: Reevaluation
    number: int
    state: str
    measured: Measurement | None = None
    outcome: str | None = None
    reason: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it runs, or waits to."""
        return self.state in ("RUNNING", "WAITING")

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody ended it for good; one that had not begun has no attempt, and so no outcome."""
        return self.state == "FAIL" and self.outcome in (None, Outcome.CANCELLED.value)


@dataclass(frozen=True)
class Judgement:
    """What the replicates say of the points that were measured, in the order of the study's points.

    Attributes:
        names: of the points with a finite measurement that meet every constraint on average.
        best: for each of them, how probable it is to be the best; of several metrics, to be on the front.
        draws: of each metric, the draws of their true means.
    """

    names: tuple[str, ...]
    best: tuple[float, ...]
    draws: tuple[Floats, ...]

    def probability(self, name: str) -> float:
        """How probable the point is to be the best; 0 for one that cannot be."""
        return self.best[self.names.index(name)] if name in self.names else 0.0

    def probability_better(self, name: str, other: str, metric: int, sign: float) -> float | None:
        """How probable one point is to be better than another in a metric; None where one was not measured."""
        if name not in self.names or other not in self.names:
            return None
        one, two = (sign * self.draws[metric][:, self.names.index(which)] for which in (name, other))
        return float((one < two).mean() + 0.5 * (one == two).mean())


def judge(order: Order, replicates: Sequence[Replicate], signs: Sequence[float]) -> Judgement:
    """How sure it is which point is the best; a sign of 1 means that lower is better."""
    measured = by_point(order, replicates)
    able = [point for point in order.points if _may_be_best(list(measured[point.name].values()))]
    if not able:
        return Judgement((), (), ())
    seeds = sorted({seed for point in able for seed in measured[point.name]})
    draws = []
    for metric in range(len(signs)):
        values = np.full((len(able), len(seeds)), np.nan)
        for row, point in enumerate(able):
            for seed, one in measured[point.name].items():
                values[row, seeds.index(seed)] = one.values[metric]
        near = np.array([not point.is_baseline and point.study is None for point in able])
        draws.append(draw_means(Measured(values, near)))
    best = probabilities_of_best(draws, signs)
    return Judgement(tuple(point.name for point in able), tuple(float(one) for one in best), tuple(draws))


def by_point(order: Order, replicates: Sequence[Replicate]) -> dict[str, dict[int, Measurement]]:
    """What was measured of each point, by its replicate's number."""
    found: dict[str, dict[int, Measurement]] = {point.name: {} for point in order.points}
    for one in replicates:
        if one.measured is not None and one.reevaluation.point in found:
            found[one.reevaluation.point][one.reevaluation.replicate] = one.measured
    return found


def next_round(order: Order, replicates: Sequence[Replicate], signs: Sequence[float]) -> list[Reevaluation]:
    """The replicates to ask for now; none while some are open, when it is sure, or where it costs too much."""
    if order.confidence is None or any(one.is_open for one in replicates):
        return []
    judgement = judge(order, replicates, signs)
    if is_decided(judgement, order.confidence, several=len(signs) > 1) or _is_deaf(order, replicates, judgement):
        return []
    asked = {name: 1 + max(seeds) for name, seeds in _seeds_by_point(replicates).items()}
    undecided = _undecided(judgement, order.confidence, several=len(signs) > 1)
    more: list[Reevaluation] = []
    for point in order.points:
        if point.name in undecided and point.name in asked:
            count = asked[point.name]
            more += list_replicates([point], range(count, count + max(_FEWEST_MORE, math.ceil(count / 2))))
    more.sort(key=lambda reevaluation: reevaluation.replicate)
    left = len(more) if order.most is None else max(0, order.most - len(replicates))
    return more[:left] if left >= len(undecided) else []


def is_decided(judgement: Judgement, confidence: float, *, several: bool) -> bool:
    """Whether one is the best with that confidence; of several metrics, whether each is on the front or is not."""
    if several:
        return not _undecided(judgement, confidence, several=True)
    return not judgement.best or max(judgement.best) >= confidence


def _undecided(judgement: Judgement, confidence: float, *, several: bool) -> set[str]:
    """The points that may still turn out to be the best: measuring the others again would decide nothing."""
    doubt = 1 - confidence
    if several:
        return {name for name, p in zip(judgement.names, judgement.best, strict=True) if doubt < p < confidence}
    ranked = sorted(zip(judgement.best, judgement.names, strict=True), reverse=True)
    return {name for place, (p, name) in enumerate(ranked) if place < 2 or p > doubt / len(ranked)}


def _is_deaf(order: Order, replicates: Sequence[Replicate], judgement: Judgement) -> bool:
    """Whether seeds change nothing: then no number of replicates tells equal points apart."""
    measured = by_point(order, replicates)
    return all(
        len(measured[name]) >= _FEWEST_EQUAL and len({one.values for one in measured[name].values()}) == 1
        for name in judgement.names
    )


def _may_be_best(measured: Sequence[Measurement]) -> bool:
    values = [value for one in measured for value in one.values]
    return bool(measured) and all(map(math.isfinite, values)) and average(measured).is_feasible


def _seeds_by_point(replicates: Sequence[Replicate]) -> Mapping[str, set[int]]:
    found: dict[str, set[int]] = {}
    for one in replicates:
        found.setdefault(one.reevaluation.point, set()).add(one.reevaluation.replicate)
    return found
