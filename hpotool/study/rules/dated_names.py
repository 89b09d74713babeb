"""The names of studies that are created again and again: the name in the study file with a date."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date


def newest_of(base: str, names: Iterable[str]) -> str | None:
    """The last of ``names``, which are in order of creation, that is ``base``, with or without a date."""
    pattern = re.compile(rf"{re.escape(base)}(-\d{{4}}-\d{{2}}-\d{{2}}(-\d+)?)?")
    found = [name for name in names if pattern.fullmatch(name)]
    return found[-1] if found else None


def next_name(base: str, day: date, names: Iterable[str]) -> str:
    """``base-2026-11-26``; from the second one of that day on, with a number."""
    first, taken = f"{base}-{day:%Y-%m-%d}", set(names)
    numbered = (first if number == 1 else f"{first}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in numbered if name not in taken)
