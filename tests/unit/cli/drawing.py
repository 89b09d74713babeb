"""What a command would write, for tests of what people see."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from hpotool.cli.output import Answer, Format, show

HOSTILE = "[red]x[/red]\x1b[31m\u202e"  # as an objective, a host or a person may call something


def drawn(part: Any, width: int = 100) -> str:
    """The part as it stands in a terminal that is so wide."""
    file = io.StringIO()
    Console(file=file, width=width, highlight=False).print(part)
    return file.getvalue()


def in_every_format(answer: Answer, capsys: pytest.CaptureFixture[str]) -> dict[Format, str]:
    """What each format writes; JSON has to be JSON, and nothing a terminal would obey."""
    written = {}
    for format in Format:
        show(answer, format)
        written[format] = capsys.readouterr().out
    json.loads(written[Format.JSON])
    assert not any("\x1b" in written[format] for format in (Format.TABLE, Format.VALUE))
    return written
