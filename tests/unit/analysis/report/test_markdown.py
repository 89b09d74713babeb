from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hpotool.analysis.report.blocks import Block, Code, Facts, Figure, Grid, Heading, Paragraph
from hpotool.analysis.report.markdown import render_markdown

EVIL = "a | b <img src=x> [x](javascript:y) @all #1 `c`\n# no heading"


def test_a_cell_stays_in_its_cell() -> None:
    written = render_markdown([Grid(("name", EVIL), [("x", EVIL)])])
    lines = written.strip().splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.replace("\\|", "").count("|") == 3


@pytest.mark.parametrize("block", [Heading(EVIL), Paragraph(EVIL), Facts([(EVIL, EVIL)])])
def test_nothing_stored_is_markup(block: Block) -> None:
    written = render_markdown([block, Paragraph("end")])
    assert "\n# no heading" not in written
    assert "<img" not in written.replace("\\<img", "")
    assert "](javascript" not in written.replace("\\]\\(", "")


class Shown(HTMLParser):
    """What a reader sees of rendered Markdown."""

    def __init__(self, written: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(MarkdownIt("commonmark").enable("table").render(written))

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    "text",
    [
        "a | b \\| c \\\\| d `e` ``f | g``", "<b>x</b> &lt; &amp; <!-- y -->",
        "[x](y) ![z](w) [v]: u", "**x** __y__ ~~z~~",
        "- x", "+ x", "1. x", "1) x", "# x", "> x", "====", "---", "```", "$x$ @all #1 !2", "| a | b |", "a  b\\",
    ],
)  # fmt: skip
def test_a_renderer_shows_what_was_stored_and_nothing_else(text: str) -> None:
    for block, plain in ((Paragraph(text), {"p"}), (Grid((text,), [(text,)]), {"table", "thead", "tbody"})):
        shown = Shown(render_markdown([block]))
        assert shown.tags <= plain | {"tr", "th", "td"}
        times = 1 if isinstance(block, Paragraph) else 2
        assert shown.text.split() == text.split() * times


def test_an_address_in_a_text_is_no_link() -> None:
    written = render_markdown([Paragraph("see https://evil.example/x, HTTP://evil and WWW.evil.example")])
    assert written == "see https\\://evil.example/x, HTTP\\://evil and WWW\\.evil.example\n"


def test_code_cannot_close_its_own_fence() -> None:
    written = render_markdown([Code("```\n# out\n`````")])
    assert written == "``````\n```\n# out\n`````\n``````\n"


def test_drawings_and_the_headings_of_nothing_else_are_left_out() -> None:
    blocks: list[Block] = [
        Heading("Study", 2),
        Heading("History"),
        Figure("<svg/>", "c"),
        Heading("Table"),
        Grid(("a",), [("1",)]),
    ]
    written = render_markdown(blocks)
    assert "History" not in written
    assert "svg" not in written
    assert "### Table" in written


def test_a_long_file_is_folded() -> None:
    written = render_markdown([Code("a: 1\n" * 30, "study.yaml")])
    assert written.startswith("<details><summary>study.yaml</summary>\n\n```\na: 1\n")


def unescaped(text: str) -> str:
    return re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", text)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp"]), max_size=20)


@given(TEXTS)
def test_what_a_reader_sees_of_a_paragraph_is_what_was_stored(text: str) -> None:
    written = render_markdown([Paragraph(text)])
    assert unescaped(written).strip() == " ".join(text.split())


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_every_line_of_a_table_has_as_many_cells(pairs: list[tuple[str, str]]) -> None:
    lines = render_markdown([Facts(pairs)]).strip("\n").split("\n")
    assert len(lines) == len(pairs) + 2
    assert lines[1] == "|---|---|"
    for line in (lines[0], *lines[2:]):
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3


@pytest.mark.parametrize(
    "text", ["- not a list", "+ nor this", "= nor this", "1. nor that", "12. twelve", "> quoted"]
)
def test_the_beginning_of_a_line_is_no_list_or_quote(text: str) -> None:
    assert not re.match(r"\s*([-+=>]|\d+\.)\s", render_markdown([Paragraph(text)]))


@given(st.text(st.sampled_from("`\n~a "), max_size=30))
def test_no_code_can_close_its_own_fence(text: str) -> None:
    lines = render_markdown([Code(text)]).rstrip("\n").split("\n")
    assert lines[0] == lines[-1]
    assert set(lines[0]) == {"`"}
    assert not any(line.strip().startswith(lines[0]) for line in lines[1:-1])


def test_a_warning_is_bold_and_a_heading_has_its_level() -> None:
    written = render_markdown([Heading("A", 1), Heading("B", 2), Paragraph("look", is_warning=True)])
    assert written == "# A\n\n## B\n\n**look**\n"


def test_a_part_that_is_empty_at_the_end_has_no_heading_either() -> None:
    assert render_markdown([Paragraph("x"), Heading("Nothing")]) == "x\n"
    assert render_markdown([]) == "\n"
