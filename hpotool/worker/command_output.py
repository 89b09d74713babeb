"""Metrics in what a command prints: JSON lines, or regular expressions that the study file names. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpotool.study.spec import Take

_LONGEST_LINE = 1 << 16


@dataclass(frozen=True)
class Report:
    """Numbers that belong together, at a step if there is one."""

    values: Mapping[str, float]
    step: int | None = None


@dataclass
class Series:
    """All that a command has reported so far, reduced to one value per metric."""

    take: Mapping[str, Take]
    values: dict[str, float] = field(default_factory=dict)

    def add(self, report: Report) -> None:
        """Take a report in. What is not a number never replaces a number where min or max is wanted."""
        for name, value in report.values.items():
            how = self.take.get(name, "last")
            before = self.values.get(name)
            if before is None or how == "last" or math.isnan(before):
                self.values[name] = value
            elif not math.isnan(value):
                self.values[name] = min(before, value) if how == "min" else max(before, value)


class LineReader:
    """Finds reports in lines of output."""

    def __init__(self, metrics: Sequence[str], others: Sequence[str], patterns: Mapping[str, str]) -> None:
        """``others``: names that are wanted though they are no metrics (those of constraints)."""
        self._wanted = frozenset(metrics) | frozenset(others)
        self._patterns = {name: re.compile(pattern) for name, pattern in patterns.items()}
        self._matches = dict.fromkeys(patterns, 0)

    def read(self, line: str) -> Iterator[Report]:
        """The reports in one line: a JSON object with a metric in it, or what the patterns pick out.

        The matches of a pattern are its steps, counted from 0.
        """
        if len(line) > _LONGEST_LINE:
            return
        report = self._read_json(line)
        if report is not None:
            yield report
        for name, pattern in self._patterns.items():
            for match in pattern.finditer(line):
                value = as_number(match.group(1) if pattern.groups else match.group(0))
                if value is not None:
                    yield Report({name: value}, self._matches[name])
                    self._matches[name] += 1

    def _read_json(self, line: str) -> Report | None:
        line = line.strip()
        if not line.startswith("{"):
            return None
        try:
            content = json.loads(line)
        except ValueError:
            return None
        return read_report(content, self._wanted)


def read_report(content: Any, wanted: frozenset[str]) -> Report | None:
    """The report in a JSON object; None when it holds nothing that is wanted.

    Other numbers beside a wanted one are kept: they become attributes of the trial.
    """
    if not isinstance(content, dict) or not wanted & content.keys():
        return None
    step = content.get("step")
    numbers = {name: number for name, part in content.items() if (number := as_number(part)) is not None}
    is_step = isinstance(step, int) and not isinstance(step, bool) and step >= 0
    if "step" not in wanted:
        numbers.pop("step", None)
    return Report(numbers, step if is_step else None)


def as_number(part: Any) -> float | None:
    """``part`` as a number, or None. A regex gives text; JSON has no other word for nan than text."""
    if isinstance(part, bool) or not isinstance(part, (int, float, str)):
        return None
    try:
        return float(part)
    except (ValueError, OverflowError):
        return None
