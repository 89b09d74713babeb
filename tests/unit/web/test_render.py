"""Templates: everything is text, nothing comes from elsewhere."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from html.parser import HTMLParser

import pytest

from hpotool.web.render import Renderer, format_size, has_numbers
from hpotool.web.sessions import Notice, Session

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title><svg onload=alert(1)>",
    "{{ 7 * 7 }}",
    "&lt;b&gt;",
]


class Elements(HTMLParser):
    """The elements of a page, and whatever could run or load something."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def complain(text: str) -> bytes:
    return Renderer().page("error.html", {"status": "404 Not Found", "message": text, "hint": text})


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_stays_text(text: str) -> None:
    page = Elements(complain(text))
    assert page.tags == Elements(complain("harmless")).tags
    assert page.handlers == []
    assert text in page.texts


def test_a_notice_stays_text_and_names_its_kind() -> None:
    content = {"status": "404 Not Found", "message": "m", "hint": None}
    session = Session("id", "the-token")
    shown = Renderer().page("error.html", content, session, Notice(HOSTILE[0], HOSTILE[1], is_error=True)).decode()
    assert HOSTILE[0] not in shown
    assert 'role="alert"' in shown
    assert "img src=x" not in re.sub(r"&lt;.*?&gt;", "", shown)


def test_control_characters_and_turned_writing_are_shown_not_obeyed() -> None:
    shown = complain("a\u202eb\x1b[31m\x00").decode()
    assert "a\\u202eb\\x1b[31m\\x00" in shown


def test_a_page_loads_only_from_its_own_server() -> None:
    page = Elements(complain("x"))
    assert all(link.startswith(("/", "#", "data:,")) and not link.startswith("//") for link in page.links)
    static = Renderer().static
    assert set(static) == {"pages.css", "pages.js", "link.js"}
    for content, _ in static.values():
        assert b"://" not in content
        assert b"@import" not in content
        assert b"innerHTML =" not in content  # a page's own text is parsed, never written into it


def test_a_file_is_named_by_its_content() -> None:
    versions = Renderer().versions
    assert len(set(versions.values())) == len(versions)
    assert f"pages.css?{versions['pages.css']}" in complain("x").decode()


def test_the_style_sheet_begins_with_the_report_s() -> None:
    from hpotool.analysis.report.html import STYLE

    content, kind = Renderer().static["pages.css"]
    assert content.decode().startswith(STYLE)
    assert kind.startswith("text/css")
    assert content.count(b"{") == content.count(b"}")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (3 << 40, "3.0 TiB")],
)
def test_a_size_has_the_largest_unit_of_which_there_is_one(size: int, text: str) -> None:
    assert format_size(size) == text


def test_a_moment_is_local_for_people_and_exact_for_programs() -> None:
    moment = datetime(2026, 3, 4, 12, 0, tzinfo=timezone.utc)
    render = Renderer()._environment.from_string("{{ m|moment }}|{{ none|moment }}|{{ text|moment }}").render
    shown, nothing, same = render(m=moment, none=None, text=moment.isoformat()).split("|")
    assert nothing == ""
    assert shown == same
    local = moment.astimezone()
    assert shown == f'<time datetime="{local.isoformat()}">{local:%Y-%m-%d %H:%M:%S}</time>'


def test_a_name_that_a_template_misspells_is_an_error() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        Renderer().page("error.html", {"status": "404 Not Found", "message": "m"})


def test_a_value_that_fills_a_page_is_cut_and_a_long_reason_is_brief() -> None:
    render = Renderer()._environment.from_string("{{ value|cell }}|{{ value|brief }}|{{ value|line }}").render
    cell, brief, line = render(value="x " * 1_000_000).split("|")
    assert (len(cell), len(brief), len(line)) == (400, 240, 1_999_999)
    assert cell.endswith("…")
    assert render(value="short").split("|") == ["short"] * 3


def test_a_heading_stands_above_its_numbers_even_if_the_first_row_has_none() -> None:
    rows: list[dict[str, object]] = [{"lr": None}, {"lr": 0.1, "is_big": True, "kind": "a"}]
    assert has_numbers(rows, "lr")
    assert not has_numbers(rows, "is_big")
    assert not has_numbers(rows, "kind")
    assert not has_numbers(rows, "nothing")


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 bytes"),
        (1, "1 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1024**2, "1.0 MiB"),
        (1024**3 - 1024, "1.0 GiB"),
        (1024**4, "1.0 TiB"),
        (5000 * 1024**4, "5000.0 TiB"),
    ],
)
def test_a_size_is_never_a_whole_of_the_next_unit(size: int, said: str) -> None:
    assert format_size(size) == said
