"""Templates into HTML. Whatever an objective or a person stored is text in it, never markup, in every template."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hpotool.analysis.insights.event_words import describe_event, describe_reason
from hpotool.analysis.report.html import STYLE
from hpotool.study.doors import shorten, visible_lines
from hpotool.study.wording import count_of, format_elapsed, format_local, plain_cell
from hpotool.web.exchange import MOUNT
from hpotool.web.sessions import Notice, Session

_LONGEST_CELL, _BRIEF = 400, 240  # characters
_SCRIPT = "text/javascript; charset=utf-8"
_KINDS = {"pages.css": "text/css; charset=utf-8", "pages.js": _SCRIPT, "link.js": _SCRIPT}


class Renderer:
    """The templates, and the style sheet and script that they name by content, so that a browser may keep both."""

    @cached_property
    def _environment(self) -> Environment:
        environment = Environment(
            loader=PackageLoader("hpotool.web", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_as_text,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {
            "cell": _cell,
            "elapsed": _elapsed,
            "size": format_size,
            "line": _one_line,
            "brief": lambda text: shorten(_one_line(text), _BRIEF),
            "moment": _moment,
            "event": describe_event,
            "event_reason": describe_reason,
            "drawn": _drawn,
            "count": count_of,
            "columns": list_columns,
            "has_numbers": has_numbers,
        }
        environment.globals |= {"mount": MOUNT, "versions": self.versions}
        return environment

    @cached_property
    def static(self) -> dict[str, tuple[bytes, str]]:
        """The content and kind of each file that pages load, by its name."""
        folder = files("hpotool.web") / "static"
        # The report's style sheet comes first: pages and report look alike, and share their drawings.
        texts = {name: (folder / name).read_text(encoding="utf-8") for name in _KINDS}
        texts["pages.css"] = STYLE + texts["pages.css"]
        return {name: (text.encode(), _KINDS[name]) for name, text in texts.items()}

    @cached_property
    def versions(self) -> dict[str, str]:
        """What each file's content is called in its link."""
        return {name: hashlib.sha256(content).hexdigest()[:12] for name, (content, _) in self.static.items()}

    def page(
        self,
        template: str,
        content: Mapping[str, Any],
        session: Session | None = None,
        notice: Notice | None = None,
    ) -> bytes:
        """Return a whole page. Without a session, it has no buttons."""
        found = self._environment.get_template(template)
        return found.render({**content, "session": session, "notice": notice}).encode("utf-8", "replace")


def format_size(size: float) -> str:
    """Return bytes in the largest unit of which there is one."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if round(size, 1) < 1024:  # as it is written
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def list_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns of all rows: what the first one lacks, another one may have."""
    return list(dict.fromkeys(name for row in rows for name in row))


def has_numbers(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    """Return whether the first value in a column is a number, so that its heading stands above it at the right."""
    first = next((row[column] for row in rows if row.get(column) is not None), None)
    return isinstance(first, (int, float)) and not isinstance(first, bool)


def _as_text(value: Any) -> Any:
    """Show control characters, and those that turn the writing direction round, instead of obeying them."""
    if value is None:
        return ""
    return visible_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _elapsed(seconds: float | None) -> str:
    return "" if seconds is None else format_elapsed(max(0.0, seconds))


def _cell(value: Any) -> str:
    """One value, of which a page that is sent every few seconds shows no more than anybody reads."""
    return shorten(plain_cell(value), _LONGEST_CELL)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _moment(value: datetime | str | None) -> Markup:
    """A time as an element: local time for people, the exact one for programs."""
    if not value:
        return Markup("")
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    zoned = moment.astimezone()
    exact, shown = zoned.isoformat(timespec="seconds"), format_local(zoned)
    return Markup('<time datetime="{}">{}</time>').format(exact, shown)


def _drawn(svg: str) -> Markup:
    """A drawing of `hpotool.analysis.report.canvas`, which has escaped its texts itself."""
    return Markup(svg)
