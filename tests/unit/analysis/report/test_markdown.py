from __future__ import annotations

import pytest

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
