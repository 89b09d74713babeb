"""Whether early ranks of a study's trials foretell late ones, as pruners and tiers take for granted.

Of complete trials, the ranks at a quarter of a whole trial are compared with those of the final values (Spearman's
correlation). Too low a correlation is a risk only where it is sure: with 90 % confidence below 0.5, and of ten
trials at least. Fisher's transformation has the deviation 1 / √(n - 3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

FEWEST_TRIALS = 10
LOWEST_CORRELATION = 0.5
_QUARTER = 0.25
_ONE_SIDED_90 = 1.2816


@dataclass(frozen=True)
class EarlyRanks:
    """How well an early comparison of trials agrees with the final one.

    Attributes:
        early: when it was made, in words.
        correlation: of the ranks, from -1 to 1.
        trials: how many were compared.
        at_most: the correlation is below that with 90 % confidence.
    """

    early: str
    correlation: float
    trials: int

    @property
    def at_most(self) -> float:
        """The upper end of what the correlation may be, with 90 % confidence."""
        inside = max(-0.9999, min(0.9999, self.correlation))
        return math.tanh(math.atanh(inside) + _ONE_SIDED_90 / math.sqrt(self.trials - 3))

    @property
    def at_least(self) -> float:
        """The lower end of what the correlation may be, with 90 % confidence."""
        inside = max(-0.9999, min(0.9999, self.correlation))
        return math.tanh(math.atanh(inside) - _ONE_SIDED_90 / math.sqrt(self.trials - 3))

    @property
    def is_safe(self) -> bool:
        """Whether ending trials by their early ranks is unlikely to end good ones."""
        return self.at_least >= LOWEST_CORRELATION

    @property
    def is_risk(self) -> bool:
        """Whether ending trials by their early ranks is likely to end good ones."""
        return self.at_most < LOWEST_CORRELATION

    @property
    def summary(self) -> str:
        """Say whether pruning is safe, with the number that says so."""
        if self.is_safe:
            verdict = "ending trials by them is safe"
        elif self.is_risk:
            verdict = "ending trials by them may end the best ones"
        else:
            verdict = "more trials will tell whether ending trials by them is safe"
        return (
            f"ranks {self.early} correlate with final ranks by {self.correlation:.2f} "
            f"({self.trials} complete trials, 90 % sure of {self.at_least:.2f} or more): {verdict}"
        )

    def as_data(self) -> dict[str, Any]:
        """Return JSON data."""
        return {
            "early": self.early,
            "correlation": self.correlation,
            "at_least": self.at_least,
            "at_most": self.at_most,
            "trials": self.trials,
            "is_safe": self.is_safe,
            "is_risk": self.is_risk,
            "sentence": self.summary,
        }

    def sentence(self, what: str) -> str:
        """Say what ``what``, which ends trials early, risks."""
        return (
            f"ranks {self.early} hardly predict final ones (rank correlation {self.correlation:.2f}, "
            f"{self.trials} trials): {what} may end the best trials early"
        )


def compare_ranks(curves: Sequence[tuple[Mapping[int, float], float]]) -> EarlyRanks | None:
    """Compare complete trials, each with its reports by step and its final value; None: too few can be.

    A trial counts with its last report up to the early step. Neither NaN nor infinity has a rank.
    """
    reported = [(reports, final) for reports, final in curves if reports and math.isfinite(final)]
    if len(reported) < FEWEST_TRIALS:
        return None
    first = min(min(reports) for reports, _ in reported)
    last = round(median(max(reports) for reports, _ in reported))
    early = first + math.ceil((last - first + 1) * _QUARTER) - 1
    pairs = [(_value_at(reports, early), final) for reports, final in reported]
    return compare_pairs(
        f"at step {early} of {last}", [(value, final) for value, final in pairs if value is not None]
    )


def compare_pairs(early: str, pairs: Sequence[tuple[float, float]]) -> EarlyRanks | None:
    """Compare early values with late ones of the same trials; None: too few, or all are alike."""
    pairs = [pair for pair in pairs if all(map(math.isfinite, pair))]
    if len(pairs) < FEWEST_TRIALS:
        return None
    correlation = rank_correlation([before for before, _ in pairs], [after for _, after in pairs])
    return None if math.isnan(correlation) else EarlyRanks(early, correlation, len(pairs))


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Spearman's correlation; equal values share their mean rank. NaN: one side has no order."""
    ranks, others = _ranks(one), _ranks(other)
    mean = (len(ranks) - 1) / 2
    together = sum((a - mean) * (b - mean) for a, b in zip(ranks, others, strict=True))
    spread = math.sqrt(sum((a - mean) ** 2 for a in ranks) * sum((b - mean) ** 2 for b in others))
    return together / spread if spread else math.nan


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=lambda place: values[place])
    ranks = [0.0] * len(values)
    first = 0
    while first < len(order):
        after = first
        while after < len(order) and values[order[after]] == values[order[first]]:
            after += 1
        for place in order[first:after]:
            ranks[place] = (first + after - 1) / 2
        first = after
    return ranks


def _value_at(reports: Mapping[int, float], step: int) -> float | None:
    reached = [one for one in reports if one <= step and math.isfinite(reports[one])]
    return reports[max(reached)] if reached else None
