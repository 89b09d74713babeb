"""Messages to people about the start of the embedded Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpotool.api.database import describe_start, embedded_postgres
from hpotool.cli.output import say

if TYPE_CHECKING:
    from hpotool.server import Started

__all__ = ["embedded_postgres", "say_started"]


def say_started(started: Started) -> None:
    """Print to stderr what starting the server did."""
    for sentence in describe_start(started):
        say(sentence)
