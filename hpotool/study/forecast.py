"""Where a trial was going when it was ended early: kept with the trial, for people and for the sampler."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# The system attribute of a trial that the learned pruner would end.
FORECAST_ATTRIBUTE = "hpotool:forecast"


@dataclass(frozen=True)
class Forecast:
    """What a trial was expected to end with, in the metric's own units.

    Attributes:
        step: the last one that it had reported.
        expected: its final value.
        deviation: the standard deviation of that.
        best: the best final value of the study by then.
    """

    step: int
    expected: float
    deviation: float
    best: float

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self)

    def sentence(self) -> str:
        """Say why the trial was ended."""
        return f"predicted {self.expected:.3g} ± {self.deviation:.1g} against {self.best:.3g}"

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> Forecast | None:
        """Read it from a trial's system attributes; None where there is none, or nothing that can be used."""
        data = attributes.get(FORECAST_ATTRIBUTE)
        try:
            numbers = [float(data[key]) for key in ("expected", "deviation", "best")]  # type: ignore[index]
            step = int(data["step"])  # type: ignore[index]
        except (KeyError, TypeError, ValueError):
            return None
        return cls(step, *numbers) if all(math.isfinite(number) for number in numbers) else None
