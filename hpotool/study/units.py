"""Parses and formats durations and sizes: ``90s``, ``30m``, ``1h30m``, ``1d``; ``512MB``, ``2GB``, ``1GiB``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_LONGEST_S = 100 * 365 * 86400
_DURATION_PART = r"(\d+(?:\.\d+)?)\s*([dhms])\s*"
_BYTES = {
    "B": 1,
    "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B|B)")


def parse_duration(text: str) -> timedelta:
    """``text`` as a duration longer than zero.

    Raises:
        ValueError: it is not one, with a sentence that says what would be.
    """
    if not re.fullmatch(f"(?:{_DURATION_PART})+", text.strip()):
        raise ValueError(f"{text!r} is not a duration: write a number with a unit, like 90s, 30m, 12h or 1h30m")
    seconds = sum(Decimal(number) * _SECONDS[unit] for number, unit in re.findall(_DURATION_PART, text))
    if seconds > _LONGEST_S:
        raise ValueError(f"{text!r} is longer than a hundred years; for no limit, leave the key out")
    duration = timedelta(microseconds=int(seconds * 10**6))
    if duration <= timedelta():
        raise ValueError(f"{text!r} must be longer than zero; for no limit, leave the key out")
    return duration


def format_duration(duration: timedelta) -> str:
    """The shortest text that ``parse_duration`` reads back as exactly ``duration``."""
    microseconds = duration // timedelta(microseconds=1)
    for unit, seconds in _SECONDS.items():
        if microseconds % (seconds * 10**6) == 0:
            return f"{microseconds // (seconds * 10**6)}{unit}"
    return f"{Decimal(microseconds) / 10**6:f}s"


def parse_size(text: str) -> int:
    """``text`` as a number of bytes above zero; ``GB`` is 10^9, ``GiB`` is 2^30.

    Raises:
        ValueError: it is not one; the message says how to write it.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size: write a number with a unit, like 512MB, 2GB or 1.5GiB")
    size = int(Decimal(match[1]) * _BYTES[match[2]])
    if size <= 0:
        raise ValueError(f"{text!r} must be above zero")
    return size


def format_size(size: int) -> str:
    """The shortest text that ``parse_size`` reads back as exactly ``size``."""
    unit, factor = max(
        ((unit, factor) for unit, factor in _BYTES.items() if size % factor == 0), key=lambda u: u[1]
    )
    return f"{size // factor}{unit}"


def format_bytes(number: int) -> str:
    """A number of bytes for people, to four digits."""
    unit, amount = _largest_unit(number, ("B", "KiB", "MiB", "GiB"), 4)
    return f"{amount} {unit}"


def format_gigabytes(number: int) -> str:
    """A number of bytes for people, to three digits, in the decimal units of ``parse_size``."""
    unit, amount = _largest_unit(number, ("B", "KB", "MB", "GB", "TB"), 3)
    return f"{amount}{unit}"


def _largest_unit(number: int, units: Sequence[str], digits: int) -> tuple[str, str]:
    """The largest unit of which there is one, and the amount as it is written: never 1024 KiB or 1000 MB."""
    for unit, next_unit in pairwise(units):
        amount = f"{number / _BYTES[unit]:.{digits}g}"
        if abs(float(amount)) < _BYTES[next_unit] / _BYTES[unit]:
            return unit, amount
    last = number / _BYTES[units[-1]]
    amount = f"{last:.{digits}g}"
    return units[-1], f"{last:.0f}" if "e" in amount else amount
