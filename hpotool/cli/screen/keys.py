"""Reads single keys from a terminal, without Enter."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ReadKey = Callable[[float], str | None]


@contextmanager
def single_keys() -> Iterator[ReadKey]:
    """Return a function that waits for a key for a number of seconds; without a terminal, it only waits.

    Ctrl-C still interrupts. The terminal's settings are restored.
    """
    if not sys.stdin.isatty():
        yield _only_wait
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield lambda seconds: _read_key(descriptor, seconds)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _read_key(descriptor: int, seconds: float) -> str | None:
    readable, _, _ = select.select([descriptor], [], [], max(0.0, seconds))
    if not readable:
        return None
    pressed = os.read(descriptor, 32)  # an arrow key is several bytes, and is not used here
    if not pressed:  # the terminal was closed
        time.sleep(max(0.0, seconds))
        return None
    return pressed.decode("utf-8", "replace") if len(pressed) == 1 else None


def _only_wait(seconds: float) -> None:
    time.sleep(max(0.0, seconds))
