"""When a study may end because further search can hardly gain anything.

A model's estimate wavers, and whoever looks often enough sees it low once by chance. So it is judged at fixed
numbers of finished trials, from exactly those that finished first, and has to be low at two looks in a row.
Whoever looks, and whenever, finds the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PROBABILITY = 0.9  # with which the gain is at most ``Regret.at_most``
FEWEST_TRIALS = 20  # of fewer, no model says what may be left
_LOOKS = 2
_FEWEST_BETWEEN, _SHARE_BETWEEN = 5, 10  # looks are five trials apart, later a tenth of the trials


@dataclass(frozen=True)
class Regret:
    """How much better the optimum of the space is than the best trial, in the metric's units; never negative.

    Attributes:
        expected: the mean of the model's draws.
        at_most: the gain is at most that with probability `PROBABILITY`.
        trials: how many finished trials it was estimated from.
        best: the number of the best trial.
    """

    expected: float
    at_most: float
    trials: int
    best: int


def latest_looks(finished: int) -> tuple[int, ...]:
    """Return the numbers of finished trials at which the gain is judged: the two latest ones, if there are."""
    looks: list[int] = []
    look = FEWEST_TRIALS
    while look <= finished:
        looks.append(look)
        look += max(_FEWEST_BETWEEN, look // _SHARE_BETWEEN)
    return tuple(looks[-_LOOKS:])


def is_hardly_anything(looks: Sequence[Regret | None], limit: float) -> bool:
    """Whether the latest looks all found that the gain is at most ``limit``."""
    return len(looks) == _LOOKS and all(look is not None and look.at_most <= limit for look in looks)
