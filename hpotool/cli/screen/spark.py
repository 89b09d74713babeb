"""A sparkline: the history of a value as a line of small bars."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float], width: int) -> str:
    """``values``, from first to last, in at most ``width`` characters; blank for values that are not finite."""
    shown = _thin(values, width)
    finite = [value for value in shown if math.isfinite(value)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    return "".join(_bar(value, low, high) for value in shown)


def _thin(values: Sequence[float], width: int) -> Sequence[float]:
    if len(values) <= width:
        return values
    last = len(values) - 1
    return [values[round(place * last / max(1, width - 1))] for place in range(width)]


def _bar(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return " "
    unit = 0.5 if max(abs(low), abs(high)) > 1e300 else 1.0  # the difference of two floats may be infinite
    share = 0.0 if low == high else (value * unit - low * unit) / (high * unit - low * unit)
    return _BARS[min(len(_BARS) - 1, max(0, int(share * len(_BARS))))]
