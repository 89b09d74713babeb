from __future__ import annotations

from html.parser import HTMLParser

import pytest

from hpotool.analysis.report.blocks import Block, Code, Facts, Figure, Grid, Heading, Paragraph
from hpotool.analysis.report.canvas import Axis, Canvas
from hpotool.analysis.report.html import render_html

EVIL = "<script>alert(1)</script>\" onload='x' & \x1b[31m </style></title> \u202e"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(*blocks: Block, title: str = "t") -> _Tags:
    tags = _Tags()
    tags.feed(render_html(title, blocks))
    assert tags.open == []
    return tags


def drawing() -> str:
    canvas = Canvas(Axis(0, 1, EVIL, labels=[EVIL]), Axis(0, 1))
    canvas.dot(0.5, 0.5, "dot", title=EVIL)
    return canvas.svg(EVIL)


@pytest.mark.parametrize(
    "block",
    [
        Heading(EVIL),
        Paragraph(EVIL),
        Facts([(EVIL, EVIL)]),
        Grid((EVIL,), [(EVIL,)]),
        Code(EVIL),
        Code(EVIL + "\n" * 30, EVIL),
        Figure(drawing(), EVIL),
    ],
    ids=lambda block: type(block).__name__,
)
def test_whatever_is_stored_is_text(block: Block) -> None:
    tags = parsed(block, title=EVIL)
    assert "script" not in tags.tags
    assert not [name for name in tags.attributes if name.startswith("on")]
    assert "\x1b" not in render_html(EVIL, [block])


def test_a_page_names_no_place_to_load_from() -> None:
    page = render_html("t", [Heading("h", 1), Figure(drawing(), "c")])
    assert "http:" not in page
    assert "https:" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_a_column_of_numbers_stands_at_the_right() -> None:
    page = render_html("t", [Grid(("name", "share"), [("lr", "0.72"), ("depth", "1e-05")])])
    assert "<td>lr</td><td class=n>0.72</td>" in page
    assert "<td class=n>mixed" not in render_html("t", [Grid(("a",), [("mixed",), ("1",)])])


def test_small_drawings_stand_beside_each_other() -> None:
    small = Figure(Canvas(Axis(0, 1), Axis(0, 1), width=360).svg("s"), "s")
    large = Figure(Canvas(Axis(0, 1), Axis(0, 1)).svg("l"), "l")
    page = render_html("t", [large, small, small, Heading("h"), small])
    assert page.count('<div class="slices">') == 2
    parsed(large, small, small, Heading("h"), small)


def test_long_code_is_folded() -> None:
    assert "<details>" in render_html("t", [Code("a: 1\n" * 30, "study.yaml")])
    assert "<details>" not in render_html("t", [Code("hpotool best", "command")])


def test_nothing_at_all_is_a_page() -> None:
    assert parsed().tags == ["html", "head", "meta", "meta", "meta", "title", "style", "body"]


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_heading_has_its_level(level: int) -> None:
    assert f"<h{level}>a &amp; b</h{level}>" in render_html("t", [Heading("a & b", level)])


@pytest.mark.parametrize("is_warning", [True, False])
def test_only_a_warning_looks_like_one(is_warning: bool) -> None:
    assert ("<p class=warning>" in render_html("t", [Paragraph("x", is_warning)])) == is_warning


@pytest.mark.parametrize("rows", [[], [("a",)], [("a",), ("b",), ("c",)]])
def test_a_table_has_a_row_for_each_row(rows: list[tuple[str]]) -> None:
    tags = parsed(Grid(("name",), rows)).tags
    assert tags.count("tr") == len(rows) + 1
    assert tags.count("td") == len(rows)


@pytest.mark.parametrize(
    ("cells", "is_number"),
    [
        (["1", "2.5", "-3e-07"], True),
        (["12 %", "3 min", "4.5 h"], True),
        (["inf", "-inf", "nan"], True),
        (["1", ""], True),
        (["", ""], False),
        (["1", "one"], False),
        (["1 to 2"], False),
        (["2026-01-01"], False),
        (["0x1f"], False),
    ],
)
def test_which_columns_stand_at_the_right(cells: list[str], is_number: bool) -> None:
    page = render_html("t", [Grid(("column",), [[cell] for cell in cells])])
    assert ("<th class=n>" in page) == is_number


@pytest.mark.parametrize("lines", [13, 14, 15])
def test_code_is_folded_from_so_many_lines_on_and_only_under_a_title(lines: int) -> None:
    text = "a: 1\n" * lines
    assert ("<details>" in render_html("t", [Code(text, "study.yaml")])) == (lines >= 14)
    assert "<details>" not in render_html("t", [Code(text)])


def test_lines_of_code_stay_lines() -> None:
    assert "<pre>a\n  b\n</pre>" in render_html("t", [Code("a\r\n  b\n")])
