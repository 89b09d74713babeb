"""Where a report goes, and in which format."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.cli.commands.decide.report import ReportFormat, _format_of, _render, _write
from hpotool.errors import InputError
from tests.unit.analysis.report.test_content import facts, searched


@pytest.mark.parametrize(
    ("name", "format"),
    [
        (None, ReportFormat.HTML),
        ("r.html", ReportFormat.HTML),
        ("r.HTM", ReportFormat.HTML),
        ("r.md", ReportFormat.MARKDOWN),
        ("r.Markdown", ReportFormat.MARKDOWN),
    ],
)
def test_the_ending_says_the_format(name: str | None, format: ReportFormat) -> None:
    assert _format_of(None if name is None else Path(name)) is format


@pytest.mark.parametrize(
    ("name", "said"), [("r.pdf", "ends in .pdf"), ("r", "has no ending"), ("r.html.gz", "ends in .gz")]
)
def test_another_ending_is_refused_with_one_that_works(name: str, said: str) -> None:
    with pytest.raises(InputError, match=f"a report is html or md, and {name} {said}") as refused:
        _format_of(Path(name))
    proposed = (refused.value.hint or "").removeprefix("-o ")
    assert _format_of(Path(proposed)) is ReportFormat.HTML


def test_both_formats_are_of_the_same_studies() -> None:
    given = [facts(searched()), facts(searched())]
    page, text = (_render(given, format) for format in ReportFormat)
    assert page.startswith("<!DOCTYPE html>")
    assert "<title>known, known</title>" in page
    assert text.startswith("# known, known\n")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        _write(tmp_path / "none" / "r.html", "text")
    _write(tmp_path / "r.html", "größe")
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == "größe"
