"""``hpotool report``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption
from hpotool.cli.output import default_file, say
from hpotool.cli.study_word import complete_study
from hpotool.errors import InputError

if TYPE_CHECKING:
    from hpotool.analysis.report.facts import StudyFacts


class ReportFormat(str, Enum):
    """The format of a report."""

    HTML = "html"
    MARKDOWN = "markdown"


_ENDINGS = {
    ".html": ReportFormat.HTML,
    ".htm": ReportFormat.HTML,
    ".md": ReportFormat.MARKDOWN,
    ".markdown": ReportFormat.MARKDOWN,
}


def report(
    studies: Annotated[
        list[str] | None,
        typer.Argument(metavar="STUDY...", help="One study, or several.", autocompletion=complete_study),
    ] = None,
    named: Annotated[
        list[str] | None,
        typer.Option("--study", "-s", metavar="NAME", help="Also a study; may be repeated.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE",
            help="A page (.html) or Markdown (.md) [default: STUDY-report.html, here; Markdown to stdout].",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        ReportFormat | None,
        typer.Option(
            "--format", "-f", metavar="FORMAT", show_default=False,
            help="html or markdown [default: from the file's ending, else html]",
        ),
    ] = None,
    is_opened: Annotated[bool, typer.Option("--open", help="Open the report once it is written.")] = False,
    storage: StorageOption = None,
) -> None:  # fmt: skip
    """Write a report on one or several studies, as a self-contained HTML file or as Markdown."""
    from hpotool.analysis.report.facts import read_facts
    from hpotool.cli.database import connect, load_study

    chosen = format or _format_of(output)
    typed = list(dict.fromkeys([*(named or []), *(studies or [])]))
    names: list[str | None] = [*typed] or [os.environ.get("HPOTOOL_STUDY")]
    connection = connect(storage)
    facts = [read_facts(connection, load_study(connection, name)) for name in names]
    text = _render(facts, chosen)
    if chosen is ReportFormat.MARKDOWN and output is None:
        sys.stdout.write(text)
        return
    path = output or default_file([one.name for one in facts], "-report.html")
    _write(path, text)
    say(f"wrote {path}")
    if is_opened:
        typer.launch(path.resolve().as_uri())


def _format_of(output: Path | None) -> ReportFormat:
    if output is None:
        return ReportFormat.HTML
    found = _ENDINGS.get(output.suffix.lower())
    if found is None:
        said = f"ends in {output.suffix}" if output.suffix else "has no ending"
        raise InputError(f"a report is html or md, and {output} {said}", f"-o {output.stem or 'report'}.html")
    return found


def _render(facts: Sequence[StudyFacts], format: ReportFormat) -> str:
    from datetime import datetime, timezone

    from hpotool.analysis.report.content import list_blocks
    from hpotool.analysis.report.html import render_html
    from hpotool.analysis.report.markdown import render_markdown

    blocks = list_blocks(facts, datetime.now(timezone.utc).astimezone())
    if format is ReportFormat.MARKDOWN:
        return render_markdown(blocks)
    return render_html(", ".join(one.name for one in facts), blocks)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", "choose another --output") from error
