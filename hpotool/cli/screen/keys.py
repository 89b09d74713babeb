"""Reads single keys from a terminal, without Enter."""

from __future__ import annotations

import os
import re
import select
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ReadKey = Callable[[float], str | None]

# What terminals send for keys without a character of their own, and the names that they have here.
_NAMED = {
    "\x1b": "escape",
    "\n": "enter",
    "\r": "enter",
    "\x7f": "backspace",
    "\b": "backspace",
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
}
_ONE_KEY = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Z])?|.", re.DOTALL)


@contextmanager
def single_keys() -> Iterator[ReadKey]:
    """Return a function that waits for a key for a number of seconds, and returns its character or name.

    Without a terminal, the function only waits. Ctrl-C still interrupts. The terminal's settings are restored.
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
        yield _Keys(descriptor).read
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def name_key(pressed: str) -> str | None:
    """A key's character, its name where it has none, or None for one that means nothing here."""
    return _NAMED.get(pressed) or (pressed if len(pressed) == 1 else None)


class _Keys:
    """The keys of a terminal one by one, also where several came at once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pressed: deque[str] = deque()

    def read(self, seconds: float) -> str | None:
        """The next key; None where none came in time, or one that means nothing here."""
        if not self._pressed:
            readable, _, _ = select.select([self._descriptor], [], [], max(0.0, seconds))
            if not readable:
                return None
            sent = os.read(self._descriptor, 1024)
            if not sent:  # the terminal is closed
                time.sleep(max(0.0, seconds))
                return None
            self._pressed.extend(_ONE_KEY.findall(sent.decode("utf-8", "replace")))
        return name_key(self._pressed.popleft())


def _only_wait(seconds: float) -> None:
    time.sleep(max(0.0, seconds))
