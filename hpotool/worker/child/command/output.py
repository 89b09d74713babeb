"""Finds metrics in a command's output, as JSON lines or with regular expressions from the study file. Pure.

Every line that names a metric becomes a ``Report``, or an ``Untaken`` that says why it is not one. The time is
linear in the output, whatever its lines.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpotool.study.spec import Take
from hpotool.study.wording import count_of

_LONGEST_LINE = 8 << 20  # bytes read of one line; a JSON line with all predictions may have some megabytes
_LONGEST_SEARCHED = 1 << 16  # characters: a regular expression may take quadratic time
_MOST_DIGITS = 4000  # of an integer, of which Python reads 4,300
_SEPARATOR = re.compile(rb"[\r\n]")


@dataclass(frozen=True)
class Report:
    """Numbers reported together, with their step if there is one."""

    values: Mapping[str, float]
    step: int | None = None


@dataclass(frozen=True)
class Untaken:
    """A line that names ``metric`` but does not have a valid value for it.

    ``decides``: it was meant as the metric's value, so an earlier value is not the command's result.
    """

    metric: str
    why: str
    decides: bool = True


@dataclass(frozen=True)
class Line:
    """One line of output, without its line end.

    Attributes:
        over_progress: it follows a carriage return, so it may begin with a progress bar.
        beyond: the wanted names that occur in quotes in the part that was too long to keep; None if the whole line
            is in ``text``.
    """

    text: str
    over_progress: bool = False
    beyond: frozenset[str] | None = None


class LineSplitter:
    """Splits output into lines as it arrives, also at carriage returns; keeps up to ``longest`` bytes of each."""

    def __init__(self, wanted: Sequence[str], longest: int = _LONGEST_LINE) -> None:
        self._longest = longest
        self._quoted = {name: [form.encode() for form in _quoted_forms(name)] for name in wanted}
        # Enough of the dropped part is kept to find a name that spans two chunks.
        self._overlap = max((len(form) for forms in self._quoted.values() for form in forms), default=2) - 1
        self._over_progress = False
        self._begin()

    def feed(self, data: bytes) -> Iterator[Line]:
        """The lines that end in ``data``, without empty ones."""
        start = 0
        for match in _SEPARATOR.finditer(data):
            self._add(data[start : match.start()])
            yield from self.finish()
            self._over_progress = match[0] == b"\r"
            start = match.end()
        self._add(data[start:])

    def finish(self) -> Iterator[Line]:
        """The unfinished line, if any."""
        if self._kept:
            text = self._kept.decode(errors="replace")
            beyond = frozenset(self._beyond) if self._is_cut else None
            yield Line(text, self._over_progress, beyond)
        self._begin()

    def _begin(self) -> None:
        self._kept = bytearray()
        self._is_cut = False
        self._tail = b""
        self._beyond: set[str] = set()

    def _add(self, data: bytes) -> None:
        room = self._longest - len(self._kept)
        self._kept += data[:room]
        if len(data) > room:
            self._look_beyond(data[room:])

    def _look_beyond(self, dropped: bytes) -> None:
        if not self._is_cut:
            self._is_cut = True
            self._tail = bytes(self._kept[-self._overlap :])
        seen = self._tail + dropped
        self._beyond |= {name for name, forms in self._quoted.items() if any(form in seen for form in forms)}
        self._tail = seen[-self._overlap :]


@dataclass
class Series:
    """A command's reports so far, reduced to one value per metric.

    Attributes:
        unknown: metrics whose last line could not be read, with the reason.
        final: metrics whose last report had no step, and so is a result rather than an intermediate value.
    """

    take: Mapping[str, Take]
    values: dict[str, float] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    final: set[str] = field(default_factory=set)

    def add(self, report: Report) -> None:
        """Add a report. With min or max, nan never replaces a number."""
        for name, value in report.values.items():
            self.unknown.pop(name, None)
            self.final.discard(name)
            if report.step is None:
                self.final.add(name)
            how = self.take.get(name, "last")
            before = self.values.get(name)
            if before is None or how == "last" or math.isnan(before):
                self.values[name] = value
            elif not math.isnan(value):
                self.values[name] = min(before, value) if how == "min" else max(before, value)

    def miss(self, untaken: Untaken) -> None:
        """Record that a metric's line could not be read; until a later one can, its value is unknown."""
        if untaken.decides:
            self.unknown[untaken.metric] = untaken.why


class LineReader:
    """Finds reports in lines of output."""

    def __init__(self, metrics: Sequence[str], others: Sequence[str], patterns: Mapping[str, str]) -> None:
        """``others``: wanted names besides metrics (those of constraints)."""
        self._wanted = frozenset(metrics) | frozenset(others)
        self._patterns = {name: re.compile(pattern) for name, pattern in patterns.items()}
        self._matches = dict.fromkeys(patterns, 0)
        self._lines = 0

    def read(self, line: Line) -> Iterator[Report | Untaken]:
        """The reports in one line: a JSON object with a metric, or the matches of the patterns.

        The matches of a pattern are numbered as steps, from 0.
        """
        self._lines += 1
        yield from self._read_json(line)
        for name, pattern in self._patterns.items():
            if len(line.text) > _LONGEST_SEARCHED:
                yield Untaken(name, "a line too long to be searched for its pattern", decides=False)
            else:
                yield from self._search(name, pattern, line.text)

    def why_missing(self, name: str) -> str:
        """A remark on a metric without a value, if its pattern matched nothing."""
        if name not in self._patterns or self._matches[name]:
            return ""
        lines = count_of(self._lines, "line")
        return f"its pattern {self._patterns[name].pattern!r} matched none of {lines}"

    def _search(self, name: str, pattern: re.Pattern[str], text: str) -> Iterator[Report | Untaken]:
        for match in pattern.finditer(text):
            found = match.group(1) if pattern.groups else match.group(0)
            value = as_number(found)
            if value is None:
                yield Untaken(name, f"its pattern matched {_short(found)}, which is not a number")
            else:
                yield Report({name: value}, self._matches[name])
                self._matches[name] += 1

    def _read_json(self, line: Line) -> Iterator[Report | Untaken]:
        text = line.text.strip()
        if line.beyond is not None:
            named = line.beyond | self._named_in(text) if text.startswith("{") else frozenset()
            yield from (Untaken(name, "its line is too long") for name in sorted(named))
            return
        if not text.startswith("{"):
            yield from self._read_json_at_the_end(text, line.over_progress)
            return
        content = _parse(text)
        if content is not None:
            yield from read_object(content, self._wanted)
        else:
            yield from (
                Untaken(name, "its line is not a complete JSON object") for name in sorted(self._named_in(text))
            )
            as_python = [name for name in sorted(self._wanted) if f"'{name}'" in text]
            yield from (
                Untaken(name, "its line is not JSON, which needs double quotes", False) for name in as_python
            )

    def _read_json_at_the_end(self, text: str, over_progress: bool) -> Iterator[Report | Untaken]:
        """A progress bar left on the line before an object does not hide it; other text before it does."""
        start = text.find('{"')
        if start < 0 or not text.endswith("}") or not self._named_in(text):
            return
        content = _parse(text[start:])
        if content is None:
            return
        found = list(read_object(content, self._wanted))
        if over_progress:
            yield from found
            return
        why = "there is other text before the JSON object on its line"
        reports = [report for report in found if isinstance(report, Report)]
        names = {name for report in reports for name in report.values if name in self._wanted}
        yield from (Untaken(name, why, decides=False) for name in sorted(names))

    def _named_in(self, text: str) -> frozenset[str]:
        return frozenset(name for name in self._wanted if any(form in text for form in _quoted_forms(name)))


def read_object(content: Any, wanted: frozenset[str]) -> Iterator[Report | Untaken]:
    """The report in a JSON object, and entries that cannot be read; nothing if it has no wanted name.

    Other numbers in the object are kept and become attributes of the trial.
    """
    if not isinstance(content, dict):
        return
    named = sorted(wanted & content.keys())
    if not named:
        for name, outer in sorted(_nested_names(content, wanted).items()):
            yield Untaken(
                name, f"it is inside {outer!r}, not at the top level of the line's object", decides=False
            )
        return
    part = None if "step" in wanted else content.get("step")
    step = _as_step(part)
    if part is not None and step is None:
        for name in named:
            yield Untaken(name, f"its step is {_short(part)}, not a whole number from 0")
        return
    numbers = {name: number for name, value in content.items() if (number := as_number(value)) is not None}
    if "step" not in wanted:
        numbers.pop("step", None)
    for name in named:
        if name not in numbers:  # null at a step means that the program did not measure there
            is_not_measured = content[name] is None and step is not None
            yield Untaken(name, f"it is {_short(content[name])}, not a number", not is_not_measured)
    if numbers:
        yield Report(numbers, step)


def as_number(part: Any) -> float | None:
    """``part`` as a number, or None. A regex gives text, and JSON can only express nan as text."""
    if isinstance(part, bool) or not isinstance(part, (int, float, str)):
        return None
    try:
        return float(part)
    except (ValueError, OverflowError):
        return None


def _as_step(part: Any) -> int | None:
    number = as_number(part)
    if number is None or not number.is_integer() or number < 0:
        return None
    return part if isinstance(part, int) else int(number)


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_parse_whole)
    except (ValueError, RecursionError):
        return None


def _parse_whole(digits: str) -> int:
    """A whole number; of one with more digits than Python reads the first, which no float holds either."""
    return int(digits[:_MOST_DIGITS])


def _nested_names(content: dict[str, Any], wanted: frozenset[str]) -> dict[str, str]:
    """Wanted names that are nested keys, each with the outermost key that contains it."""
    found: dict[str, str] = {}
    open_parts = [(key, part) for key, part in content.items() if isinstance(part, (dict, list))]
    while open_parts:
        outer, part = open_parts.pop()
        if isinstance(part, dict):
            found |= dict.fromkeys(wanted & part.keys(), outer)
        inner = part.values() if isinstance(part, dict) else part
        open_parts += [(outer, value) for value in inner if isinstance(value, (dict, list))]
    return found


def _quoted_forms(name: str) -> set[str]:
    """How JSON may write a name: with its letters, or with escapes for those that ASCII lacks."""
    return {json.dumps(name), json.dumps(name, ensure_ascii=False)}


def _short(part: Any) -> str:
    """A value as JSON, cut."""
    if isinstance(part, (dict, list)):
        return "an object" if isinstance(part, dict) else "a list"
    text = json.dumps(part, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}…"
