"""Durations, times and values in words for people, the same in a terminal and in a browser."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from typing import Any

from hpotool.study.doors import visible

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_CENTURY_S = 100 * 365 * _DAY


def format_elapsed(seconds: float) -> str:
    """``0.8 s``, ``35 s``, ``3 min 20 s``, ``45 min``, ``5 h 12 min``, ``3 d 4 h``: at most two units."""
    if seconds < 9.95:  # a clock that was set back gives ages below zero
        return f"{max(0.0, seconds):.1f} s"
    if not math.isfinite(seconds):
        return "unknown"
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 10 * _MINUTE:
        return _two(whole // _MINUTE, "min", whole % _MINUTE, "s")
    if whole < 2 * _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return _two(whole // _HOUR, "h", whole % _HOUR // _MINUTE, "min")
    return _two(whole // _DAY, "d", whole % _DAY // _HOUR, "h")


def format_when(seconds_from_now: float, now: datetime) -> str:
    """The time of day, with the weekday if it is another day, or with the date if it is another week."""
    if not seconds_from_now < _CENTURY_S:
        return "in over a hundred years"
    moment = now + timedelta(seconds=seconds_from_now)
    if now.utcoffset() == now.astimezone().utcoffset():  # local time; the clocks may be changed until then
        moment = moment.astimezone()
    days = (moment.date() - now.date()).days
    if days == 0:
        return f"{moment:%H:%M}"
    return f"{moment:%a %H:%M}" if days < 7 else f"{moment:%Y-%m-%d}"


def format_local(moment: datetime) -> str:
    """Local date and time, without the zone, which is shown once for all times: `zone`."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def format_clock(moment: datetime, now: datetime) -> str:
    """The local time of day, with the date if it is another day."""
    local = moment.astimezone()
    return f"{local:%H:%M:%S}" if local.date() == now.astimezone().date() else f"{local:%m-%d %H:%M:%S}"


def zone(now: datetime) -> str:
    """The local time zone: ``UTC``, ``UTC+02:00``."""
    offset = f"{now.astimezone():%z}"
    return "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:]}"


def _two(large: int, name: str, small: int, smaller_name: str) -> str:
    return f"{large} {name} {small} {smaller_name}" if small else f"{large} {name}"


def round_estimate(seconds: float) -> float:
    """An estimate, rounded to a plausible precision."""
    if not math.isfinite(seconds):
        return seconds
    unit = 3600 if seconds > 20 * 3600 else 60 if seconds > 120 else 1
    return round(seconds / unit) * unit


def plain_cell(value: Any) -> str:
    """One value for people: four significant digits; empty for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if 9999.5 <= abs(value) < 1e15 else f"{value:.4g}"
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, default=str)
    return visible(str(value))


def count_of(count: int, noun: str, plural: str | None = None) -> str:
    """``1 worker``, ``2 workers``; ``plural`` is for all that takes more than an s: ``2 studies wait``."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def format_amount(amount: float) -> str:
    """A number of hours or money: ``2.5``, ``0.00123``, ``1234567``; never with an exponent where it is large."""
    return f"{amount:.0f}" if 1e5 <= abs(amount) < 1e15 else f"{amount:g}"


def say_probability(probability: float) -> str:
    """A probability in two digits; never a certainty that a finite number of draws cannot give."""
    if probability > 0.995:
        return "above 0.99"
    return "below 0.01" if probability < 0.005 else f"{probability:.2f}"


def format_limit(seconds: float) -> str:
    """A duration that somebody chose: ``0.5 s``, ``90 s``, ``11 d 13 h``."""
    return f"{seconds:g} s" if seconds < 100 else format_elapsed(seconds)
