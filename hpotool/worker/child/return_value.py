"""Turns an objective's return value into the values of the study's metrics, or a sentence that says why not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hpotool.study.doors import kind_of, shorten
from hpotool.study.wording import count_of

_TEXTS = (str, bytes, bytearray, memoryview)  # ``float`` reads them all
_NAMES_SHOWN = 20


@dataclass(frozen=True)
class Returned:
    """Either ``values`` in the metrics' order, or a ``problem``. ``extra``: other returned entries, unchanged."""

    values: tuple[float, ...] | None = None
    problem: str | None = None
    extra: Sequence[tuple[Any, Any]] = ()

    @property
    def nan(self) -> bool:
        """Whether there are values and one of them is not a number."""
        return self.values is not None and any(math.isnan(value) for value in self.values)


def read_returned(returned: Any, metrics: Sequence[str]) -> Returned:
    """Read a return value: a number, a sequence in the order of ``metrics``, or a mapping by name.

    A mapping's other entries become ``extra``. Anything that ``float()`` accepts is a number, except text:
    ``"0.5"`` is far more often a mistake than a result.
    """
    if isinstance(returned, Mapping):
        return _read_mapping(returned, metrics)
    if returned is None:
        return Returned(problem=f"the objective returned None instead of {_expected(metrics)}")
    if isinstance(returned, _TEXTS):
        text = _short(returned)
        return Returned(problem=f"the objective returned the text {text} instead of {_expected(metrics)}")
    count = len(returned) if isinstance(returned, Sequence) else 1
    if count != len(metrics):
        return Returned(
            problem=f"the objective returned {count_of(count, 'value')} instead of {_expected(metrics)}"
        )
    # No more than its length says, because an infinite object can also be a Sequence.
    parts = list(islice(returned, count)) if isinstance(returned, Sequence) else [returned]
    return _read_numbers(dict(zip(metrics, parts, strict=True)))


def _read_mapping(returned: Mapping[Any, Any], metrics: Sequence[str]) -> Returned:
    missing = [name for name in metrics if name not in returned]
    if missing:
        named = ", ".join(repr(name) for name in missing)
        found = ", ".join(_short(name) for name in islice(returned, _NAMES_SHOWN)) or "nothing"
        return Returned(problem=f"the objective returned no value for the metric {named}; it returned {found}")
    read = _read_numbers({name: returned[name] for name in metrics})
    extra = tuple((name, value) for name, value in returned.items() if _plain(name) not in metrics)
    return Returned(read.values, read.problem, extra)


def _plain(name: Any) -> Any:
    return str.__str__(name) if issubclass(type(name), str) else None


def _read_numbers(parts: Mapping[str, Any]) -> Returned:
    values: list[float] = []
    for name, part in parts.items():
        value = _number(part)
        if value is None:
            kind = kind_of(part)
            return Returned(problem=f"the objective returned {_short(part)} ({kind}) for {name!r}, not a number")
        values.append(value)
    return Returned(values=tuple(values))


def _number(part: Any) -> float | None:
    if isinstance(part, _TEXTS):
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
    try:
        return shorten(repr(value))
    except ValueError:  # for example, an integer with more digits than Python converts
        return f"a {kind_of(value)} that cannot be shown"
