"""Options that are durations."""

from __future__ import annotations

from datetime import timedelta

from hpotool.errors import InputError


def read_duration(option: str, text: str, examples: str = "30s, 5m or 2h") -> timedelta:
    """The duration that was given to an option, like ``90m``.

    Raises:
        InputError: it is none; the hint has the ``examples``.
    """
    from hpotool.study.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(f"{option} {error}", f"write it like {option} {examples}") from None
