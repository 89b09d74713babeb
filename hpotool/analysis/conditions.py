"""Parses conditions on trials, like ``lr>0.1 and booster=dart``, without evaluating them as code.

``reason~memory`` is met if the reason contains these letters.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from hpotool.errors import InputError

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "~": operator.contains,
}
_ORDERS = ("<", ">", "<=", ">=")
_CONDITION = re.compile(r"\s*(.+?)\s*(<=|>=|!=|==|=|<|>|~)\s*(.+?)\s*", re.DOTALL)
_NO_VALUE = re.compile(r"[<>=]|\b(and|or|not)\b")  # unless it is quoted
_AND = re.compile(r"""((?:'[^']*'|"[^"]*"|.)*?)(?:\s+and\s+|$)""", re.DOTALL)  # not the one inside quotes
_EXAMPLE = "--where 'lr>0.1 and state=complete'"


@dataclass(frozen=True)
class Condition:
    """A comparison with the value of ``name`` in a row. A row without that value does not meet the condition."""

    name: str
    sign: str
    text: str

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether the row meets the condition. Numbers are compared as such, all else as case-insensitive text."""
        value = row.get(self.name)
        if value is None:
            return False
        compare = _OPERATORS[self.sign]
        number = _number(self.text)
        if (
            number is not None
            and self.sign != "~"
            and isinstance(value, (int, float))
            and not isinstance(value, bool)
        ):
            return compare(value, number)
        return compare(str(value).lower(), self.text.lower())


def read_conditions(text: str) -> tuple[Condition, ...]:
    """The comparisons in ``text``, joined by ``and``.

    Raises:
        InputError: the text is not a condition.
    """
    found = []
    for part in _split_at_and(text.strip()):
        match = _CONDITION.fullmatch(part)
        if match is None or (_unquoted(match[3]) == match[3] and _NO_VALUE.search(match[3])):
            raise InputError(f"--where: {part!r} is not a comparison like lr>0.1", _EXAMPLE)
        name, sign, value = match.groups()
        found.append(Condition(name, sign, _unquoted(value)))
    return tuple(found)


def _split_at_and(text: str) -> list[str]:
    parts: list[str] = []
    place = 0
    while place < len(text) or not parts:
        match = _AND.match(text, place)
        assert match is not None
        parts.append(match[1])
        place = match.end()
    return parts


def require_column(name: str, known: list[str], option: str) -> None:
    """Check that the column exists.

    Raises:
        InputError: there is no column of that name.
    """
    if name not in known:
        alike = get_close_matches(name, known, n=1)
        meant = f"; did you mean {alike[0]!r}?" if alike else ""
        raise InputError(f"{option}: no trial has {name!r}{meant}", f"the columns are: {', '.join(known)}")


def require_comparable(condition: Condition, rows: Iterable[Mapping[str, Any]]) -> None:
    """Check that no numbers would be ordered by their letters: ``lr<0,1`` and ``duration_s>5m`` say nothing.

    Raises:
        InputError: the column has only numbers, and the condition's text is none.
    """
    if condition.sign not in _ORDERS or _number(condition.text) is not None:
        return
    present = [value for row in rows if (value := row.get(condition.name)) is not None]
    if present and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in present):
        raise InputError(
            f"--where: {condition.name} is a number, and {condition.text!r} is none",
            f"write it like {condition.name}{condition.sign}0.1, a duration in seconds",
        )


def _number(text: str) -> float | None:
    for read in (int, float):  # a float would round a seed of 64 bits
        try:
            return read(text)
        except ValueError:
            continue
    return None


def _unquoted(text: str) -> str:
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if is_quoted else text
