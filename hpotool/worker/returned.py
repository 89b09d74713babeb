"""What an objective returned → the values of the study's metrics, or the sentence that says why not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Returned:
    """Either ``values`` in the order of the metrics, or a ``problem``. ``extra``: what is no metric."""

    values: tuple[float, ...] | None = None
    problem: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def nan(self) -> bool:
        """Whether there are values and one of them is not a number."""
        return self.values is not None and any(math.isnan(value) for value in self.values)


def read_returned(returned: Any, metrics: Sequence[str]) -> Returned:
    """Read what an objective returned: a number, a sequence in the order of ``metrics``, or a mapping by name.

    Whatever else a mapping holds is ``extra``. What ``float()`` takes is a number, except text: ``"0.5"`` is
    far more often a mistake than a result.
    """
    if isinstance(returned, Mapping):
        return _read_mapping(returned, metrics)
    if returned is None:
        return Returned(problem=f"the objective returned None instead of {_expected(metrics)}")
    if isinstance(returned, (str, bytes)):
        text = _short(returned)
        return Returned(problem=f"the objective returned the text {text} instead of {_expected(metrics)}")
    parts = list(returned) if isinstance(returned, Sequence) else [returned]
    if len(parts) != len(metrics):
        return Returned(problem=f"the objective returned {len(parts)} values instead of {_expected(metrics)}")
    return _read_numbers(dict(zip(metrics, parts, strict=True)))


def _read_mapping(returned: Mapping[Any, Any], metrics: Sequence[str]) -> Returned:
    missing = [name for name in metrics if name not in returned]
    if missing:
        named = ", ".join(repr(name) for name in missing)
        found = ", ".join(repr(name) for name in returned) or "nothing"
        return Returned(problem=f"the objective returned no value for the metric {named}; it returned {found}")
    read = _read_numbers({name: returned[name] for name in metrics})
    extra = {str(name): value for name, value in returned.items() if name not in metrics}
    return Returned(read.values, read.problem, extra)


def _read_numbers(parts: Mapping[str, Any]) -> Returned:
    values: list[float] = []
    for name, part in parts.items():
        value = _number(part)
        if value is None:
            kind = type(part).__name__
            return Returned(problem=f"the objective returned {_short(part)} ({kind}) for {name!r}, not a number")
        values.append(value)
    return Returned(values=tuple(values))


def _number(part: Any) -> float | None:
    if isinstance(part, (str, bytes)):
        return None
    try:
        return float(part)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # RuntimeError: a tensor of several elements
        return None


def _expected(metrics: Sequence[str]) -> str:
    if len(metrics) == 1:
        return "a number"
    return f"{len(metrics)} numbers ({', '.join(metrics)})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
