"""What replicates say of a study's points, in the form in which sides are compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from hpotool.analysis.compare.verdict import FEWEST
from hpotool.analysis.confirmation.answer import ConfirmationAnswer, ConfirmedPoint
from hpotool.analysis.confirmation.origins import ConfirmedOrigins
from hpotool.study.confirmation.rounds import by_point
from hpotool.study.rules.replicates import point_key

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class Replicated:
    """The replicates of the points that were confirmed, by one metric.

    Attributes:
        points: the values of each point, by its key; ``seeds``: the numbers of their seeds.
        best: the key of the study's own best point among them; ``params`` and ``number`` are its trial's.
        seen: the value that the search saw there.
        picked_from: of how many of the study's own points the best was picked.
        trials: the replicates of the best.
        origins: what all replicates came from, and where that is not what the search's trials came from.
    """

    points: Mapping[str, tuple[float, ...]]
    seeds: Mapping[str, tuple[int, ...]]
    best: str
    params: Mapping[str, Any]
    number: int
    seen: float | None
    picked_from: int
    trials: tuple[int, ...] = ()
    origins: ConfirmedOrigins = field(default_factory=ConfirmedOrigins)


def find_replicated(
    answer: ConfirmationAnswer, metric: str, sign: float, distributions: Mapping[str, BaseDistribution]
) -> Replicated | None:
    """Return what was confirmed; None while no feasible point of the study has two replicates.

    Of one metric, the best is the one that is most probably the best; of several, the one with the best mean.
    """
    index = list(answer.metrics).index(metric)
    measured = by_point(answer.order, answer.replicates)
    values = {
        name: tuple(one.values[index] for _, one in sorted(own.items())) for name, own in measured.items() if own
    }
    own = [one for one in answer.points if _is_able(one, values)]
    if not own:
        return None
    best = own[0] if len(answer.metrics) == 1 else min(own, key=lambda one: sign * fmean(values[one.point.name]))
    keys = {one.point.name: point_key(one.point.params, distributions) for one in answer.points}
    assert best.point.trial is not None
    return Replicated(
        {keys[name]: found for name, found in values.items()},
        {keys[name]: tuple(sorted(measured[name])) for name in values},
        keys[best.point.name],
        dict(best.point.params),
        best.point.trial,
        (best.point.found or {}).get(metric),
        len(own),
        best.trials,
        answer.origins,
    )


def _is_able(one: ConfirmedPoint, values: Mapping[str, tuple[float, ...]]) -> bool:
    found = values.get(one.point.name, ())
    is_own = one.point.study is None and one.point.trial is not None
    return is_own and one.is_feasible and len(found) >= FEWEST and all(map(math.isfinite, found))
