"""The last lines of a command's output, for the reason of its end. Pure."""

from __future__ import annotations

import re
from collections import deque

_KEPT_LINES = 40
_LONGEST = 300
_RANK = re.compile(r"^\[(?:rank|default)\d+\]:\s*")  # the prefix that torchrun adds to each line
_EXCEPTION = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)(?::\s.*)?")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x1f\x7f-\x9f]+")


class LastWords:
    """Keeps the last lines that are not reports."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def add(self, line: str) -> None:
        """Add a line; blank lines and rules are ignored."""
        words = _RANK.sub("", _CONTROL.sub(" ", line[: 2 * _LONGEST]).strip())[:_LONGEST].strip()
        if any(character.isalnum() for character in words):
            self._lines.append(words)

    def explain(self, sentence: str) -> str:
        """``sentence`` with the exception at the end of a traceback, else with the last line."""
        exceptions = [line for line in self._lines if _EXCEPTION.fullmatch(line)]
        last = (exceptions or list(self._lines))[-1:]
        return ": ".join([sentence, *last])
