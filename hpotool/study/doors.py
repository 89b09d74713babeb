"""The one place where data from objectives is checked and text for terminals is escaped. Pure.

Promise: an accepted value can be stored and reads back equal. Any other is refused with a message, in the
objective's own process, where the author sees it. Text that only people read (reasons) is cleaned instead.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from numbers import Real
from typing import Any

from hpotool.reporting import HIGHEST_STEP

LONGEST_NAME = 512  # characters: the width of Optuna's columns
LONGEST_VALUE = 4 << 20  # characters of JSON: every worker of the study reads it
LONGEST_REASON = 2_000  # characters
LARGEST_EXACT = 2**53  # of whole numbers: Optuna and many readers of JSON make floats of them

_DEEPEST = 100  # Optuna copies attributes by recursion, which Python limits to a thousand calls
_LONGEST_INTEGER_BITS = 13_287  # 4,000 digits: Python does not parse more than 4,300

_NAME_OF_TYPE = type.__dict__["__name__"]
_SURROGATE = re.compile("[\ud800-\udfff]")
# Control characters, line breaks that only some programs know, and characters that change the writing direction.
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_INVISIBLE_IN_LINES = re.compile(_INVISIBLE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))


def refuse_name(name: Any, longest: int = LONGEST_NAME) -> str | None:
    """Why ``name`` cannot be the name of an attribute, a parameter or a metric; None if it can."""
    if not issubclass(type(name), str):
        return f"a name must be text, not {kind_of(name)}"
    text = str.__str__(name)
    if len(text) > longest:
        return f"the name {text[:40]!r}… has {len(text)} characters; at most {longest} are allowed"
    if "\0" in text or _SURROGATE.search(text):
        return f"the name {text!r} has a character that no database can store; use UTF-8, without NUL"
    return None


def check_name(name: Any, longest: int = LONGEST_NAME) -> str:
    """The name as plain text.

    Raises:
        TypeError: it is not text.
        ValueError: it is too long, or has characters that a database cannot store.
    """
    problem = refuse_name(name, longest)
    if problem is None:
        return str.__str__(name)
    raise ValueError(problem) if issubclass(type(name), str) else TypeError(problem)


def check_step(step: Any) -> int:
    """The step of a report as an int; a float is truncated, as in Optuna.

    Raises:
        TypeError: it is not a number.
        ValueError: it is negative, or too large for Optuna's column.
    """
    try:
        number = int.__int__(int(step))
    except (TypeError, ValueError, OverflowError):
        raise TypeError(
            f"The `step` argument is of type '{type(step)}' but supposed to be an int; it is not a whole number."
        ) from None
    if number < 0:
        raise ValueError(f"`step={shorten(repr(number))}` must be non-negative.")
    if number > HIGHEST_STEP:
        raise ValueError(
            f"the step is beyond {HIGHEST_STEP}, the highest that can be stored; count in thousands, or in epochs"
        )
    return number


def to_json(value: Any) -> Any:
    """``value`` in JSON's types, as it will read back: tuples become lists, keys text, numbers plain numbers.

    Raises:
        TypeError: part of it cannot be stored and read back; the message is the end of a sentence.
    """
    return _Copy().of(value, depth=0)


def kind_of(value: Any) -> str:
    """The name of its type, even if the type overrides it."""
    return str(_NAME_OF_TYPE.__get__(type(value)))


def text_of(value: Any, read: Callable[[Any], str] = str, otherwise: str = "it cannot be shown") -> str:
    """``str`` or ``repr`` of an object of somebody else, whatever its methods do; ``otherwise`` if they fail."""
    try:
        return str.__str__(read(value))
    except BaseException:  # noqa: BLE001 (an error that cannot be shown is an error too)
        return otherwise


def describe_error(error: BaseException) -> str:
    """An error of somebody else's code in one line: its type and its text."""
    text = one_line(text_of(error))
    return f"{kind_of(error)}: {text}" if text else kind_of(error)


def shorten(text: str, longest: int = 60) -> str:
    """The beginning of a possibly long text."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def storable(text: str) -> str:
    """``text`` as a database can store it: without NUL, and with lone surrogates escaped."""
    return _SURROGATE.sub(_escape, text.replace("\0", "�"))


def join_escapes(text: str) -> str:
    """``text`` with the two halves joined as which JSON may write a character beyond 16 bits.

    Raises:
        UnicodeError: it has a character that no database can store: half of one, or NUL.
    """
    joined = text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16")
    if "\0" in joined:
        raise UnicodeError("NUL")
    return joined


def one_line(text: str, longest: int = LONGEST_REASON) -> str:
    """``text`` as one sentence for people and databases: one line, no invisible characters, limited length."""
    head = visible(" ".join(text[: 10 * longest].split()))
    if len(head) <= longest and len(text) <= 10 * longest:
        return head
    return f"{head[:longest]}… ({len(text)} characters in all)"


def visible(text: str) -> str:
    """``text`` as one line with control characters escaped, so that a terminal cannot interpret any."""
    return _INVISIBLE.sub(_escape, text)


def visible_lines(text: str) -> str:
    """Like `visible`, but keeps the lines of ``text``; a carriage return also starts a new line."""
    return _INVISIBLE_IN_LINES.sub(_escape, text.replace("\r\n", "\n").replace("\r", "\n"))


class _Copy:
    """Copies one value, which may be infinite; stops at the largest size that can be stored."""

    def __init__(self) -> None:
        self._room = LONGEST_VALUE

    def of(self, value: Any, depth: int) -> Any:
        """A copy in plain types. Checks the type rather than the value, which may claim to be anything."""
        kind = type(value)
        self._use(4)  # a digit, a comma, a space; a million parts take a second here
        if value is None or kind is float or kind is bool:
            return value
        if depth > _DEEPEST:
            raise TypeError(f"is nested more than {_DEEPEST} levels deep, or contains itself")
        if issubclass(kind, str):
            self._use(len(str.__str__(value)))
            return str.__str__(value)
        if issubclass(kind, int):
            return self._integer(int.__int__(value))
        if issubclass(kind, float):
            return float.__float__(value)
        if issubclass(kind, dict):
            return self._mapping(value, depth)
        if issubclass(kind, (list, tuple)):
            iterate = list.__iter__ if issubclass(kind, list) else tuple.__iter__
            return [self.of(part, depth + 1) for part in iterate(value)]
        return self._number(value, depth)

    def _mapping(self, mapping: dict[Any, Any], depth: int) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        for key, part in dict.items(mapping):
            plain = self.of(key, depth + 1)
            if isinstance(plain, (list, dict)):
                raise TypeError(f"has a key of type {kind_of(key)}, which JSON cannot represent")
            name = plain if isinstance(plain, str) else json.dumps(plain)
            if name in copied:
                raise TypeError(f"has two keys that both become {shorten(name)!r} in JSON")
            copied[name] = self.of(part, depth + 1)
        return copied

    def _integer(self, number: int) -> int:
        self._use(number.bit_length() // 3)
        if number.bit_length() > _LONGEST_INTEGER_BITS:
            raise TypeError("contains an integer of more than 4,000 digits")
        return number

    def _number(self, value: Any, depth: int) -> Any:
        """A number of another library (NumPy, torch and others) as one of Python's own types."""
        if getattr(value, "shape", None) == () and hasattr(value, "item"):
            item = value.item()
            if type(item) in (bool, int, float, str):
                return self.of(item, depth)
        if issubclass(type(value), (Decimal, Real)):
            try:
                number = float(value)
            except (ValueError, OverflowError):
                number = math.inf
            if math.isfinite(number) or number == value or number != number:
                return number
            raise TypeError("contains a number that is too large for a float")
        verb = "holds" if depth else "is"
        raise TypeError(f"{verb} a {kind_of(value)}, which JSON cannot represent")

    def _use(self, characters: int) -> None:
        self._room -= characters
        if self._room < 0:
            raise TypeError(f"is larger than {LONGEST_VALUE >> 20} MiB")


def _escape(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode()
