"""A small plot as SVG: two axes and marks. Colours are the page's, so print and night have theirs."""

from __future__ import annotations

import html
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from hpotool.study.doors import visible

_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 14.0, 12.0, 40.0
_TICKS = 5
_NAME = 17.0  # the height of a name above the plot
_FAR_OFF = 0.002  # share of an axis: less than a pixel
_DIGIT = 6.6  # pixels
_LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Axis:
    """One direction of a plot.

    Attributes:
        labels: what stands at 0, 1, 2 … instead of numbers.
    """

    low: float
    high: float
    title: str = ""
    is_log: bool = False
    labels: Sequence[str] = ()

    @staticmethod
    def over(values: Sequence[float], title: str = "", *, is_log: bool = False) -> Axis:
        """Return an axis with room for all finite values."""
        finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        if is_log:
            return Axis(low / 1.1, high * 1.1, title, is_log=True)
        room = (high / 2 - low / 2) * 0.1 or max(abs(low) * 0.05, 0.5)
        return Axis(max(low - room, -_LARGEST), min(high + room, _LARGEST), title)

    def share(self, value: float) -> float:
        """Return where on the axis a value is, from 0 to 1."""
        low, high, at = self.low, self.high, value
        if self.is_log:
            low, high, at = math.log(low), math.log(high), math.log(value)
        return min(1.0, max(0.0, (at / 2 - low / 2) / ((high / 2 - low / 2) or 1.0)))

    def ticks(self) -> list[tuple[float, str]]:
        """Return round values and how they are written."""
        if self.labels:
            return [(float(place), label) for place, label in enumerate(self.labels)]
        values = _powers(self) if self.is_log else _rounds(self.low, self.high)
        return list(zip(values, _written(values, self.high / 2 - self.low / 2), strict=True))


def _written(values: Sequence[float], room: float) -> list[str]:
    """Return the numbers with as many digits, from four on, as tell where on the axis each one stands."""
    for digits in range(4, 18):
        texts = [f"{value:.{digits}g}" for value in values]
        errors = [abs(float(text) / 2 - value / 2) for text, value in zip(texts, values, strict=True)]
        if max(errors) <= _FAR_OFF * room:
            return texts
    return [repr(value) for value in values]


def _rounds(low: float, high: float) -> list[float]:
    width = high / _TICKS - low / _TICKS
    if not (math.isfinite(width) and width > 0):
        return [low]
    power = 10.0 ** math.floor(math.log10(width))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= width * (1 - 1e-9))
    first = math.ceil(low / step)
    return [(first + place) * step for place in range(_TICKS + 2) if (first + place) * step <= high]


def _powers(axis: Axis) -> list[float]:
    first, last = math.ceil(math.log10(axis.low)), math.floor(math.log10(axis.high))
    if last - first < 1:
        return _rounds(axis.low, axis.high)
    every = max(1, (last - first) // _TICKS + 1)
    return [10.0**power for power in range(first, last + 1, every)]


@dataclass
class Canvas:
    """A plot that marks are added to, then written once.

    Attributes:
        names: what stands above the plot, each in the colour of its style.
    """

    x: Axis
    y: Axis
    width: float = 640.0
    height: float = 300.0
    marks: list[str] = field(default_factory=list)
    left: float = _LEFT
    names: Sequence[tuple[str, str]] = ()

    @property
    def top(self) -> float:
        """Where the plot begins: below the names."""
        return _TOP + _NAME * len(self.names)

    def __post_init__(self) -> None:
        if not self.y.labels:  # a number is never cut
            longest = max(len(label) for _, label in self.y.ticks())
            self.left = max(self.left, (longest + 2) * _DIGIT)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixel of a point."""
        across = self.left + self.x.share(x) * (self.width - self.left - _RIGHT)
        return across, self.height - _BOTTOM - self.y.share(y) * (self.height - self.top - _BOTTOM)

    def dot(self, x: float, y: float, style: str, radius: float = 3.0, title: str = "") -> None:
        """Add a point; ``style`` is a class of the style sheet."""
        across, down = self.at(x, y)
        self.marks.append(
            f'<circle class="{style}" cx="{across:.1f}" cy="{down:.1f}" r="{radius:g}">{_title(title)}</circle>'
        )

    def line(self, points: Sequence[tuple[float, float]], style: str, title: str = "") -> None:
        """Add a line through the points."""
        drawn = " ".join("{:.1f},{:.1f}".format(*self.at(x, y)) for x, y in points)
        self.marks.append(f'<polyline class="{style}" points="{drawn}">{_title(title)}</polyline>')

    def bar(self, first: float, last: float, y: float, thickness: float, style: str, title: str = "") -> None:
        """Add a bar along x, ``thickness`` pixels thick around ``y``."""
        start, down = self.at(first, y)
        end, _ = self.at(last, y)
        self.marks.append(
            f'<rect class="{style}" x="{start:.1f}" y="{down - thickness / 2:.1f}" '
            f'width="{max(1.0, end - start):.1f}" height="{thickness:.1f}">{_title(title)}</rect>'
        )

    def svg(self, name: str) -> str:
        """Return the drawing; ``name`` is what a screen reader says."""
        said = html.escape(visible(name), quote=True)
        parts = [*self._x_axis(), *self._y_axis(), *self.marks, *self._legend()]
        box = f"0 0 {self.width:g} {self.height:g}"
        return f'<svg viewBox="{box}" role="img" aria-label="{said}">{"".join(parts)}</svg>'

    def _legend(self) -> list[str]:
        return [
            _text(self.width - _RIGHT, _TOP + _NAME * place, _short(name, 560), f"name {style}", "end")
            for place, (name, style) in enumerate(self.names)
        ]

    def _x_axis(self) -> list[str]:
        base = self.height - _BOTTOM
        parts = [
            f'<line class="axis" x1="{self.left:g}" x2="{self.width - _RIGHT:g}" y1="{base:g}" y2="{base:g}"/>'
        ]
        for value, label in self.x.ticks():
            across, _ = self.at(value, self.y.low)
            parts.append(_text(across, base + 16, label, "tick", "middle"))
        middle = (self.left + self.width - _RIGHT) / 2
        return [*parts, _text(middle, self.height - 6, self.x.title, "label", "middle")]

    def _rule(self, style: str, down: float) -> str:
        end = self.width - _RIGHT
        return f'<line class="{style}" x1="{self.left:g}" x2="{end:g}" y1="{down:.1f}" y2="{down:.1f}"/>'

    def _y_axis(self) -> list[str]:
        parts = []
        for value, label in self.y.ticks():
            _, down = self.at(self.x.low, value)
            parts.append(self._rule("grid", down))
            parts.append(_text(self.left - 7, down + 4, _short(label, self.left), "tick", "end"))
        return parts


def _text(x: float, y: float, text: str, style: str, anchor: str) -> str:
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(visible(text))}</text>'
    )


def _short(label: str, room: float) -> str:
    most = max(4, int(room / _DIGIT) - 1)
    return label if len(label) <= most else label[: most - 1] + "…"


def _title(text: str) -> str:
    return f"<title>{html.escape(visible(text))}</title>" if text else ""
