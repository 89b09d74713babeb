"""All output of commands: data goes to stdout, messages to stderr. No command prints by itself."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import assert_never

from hpotool.settings import study_folder_name
from hpotool.study.doors import visible, visible_lines

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_LONGEST_NAME = 255


class Format(str, Enum):
    """The output format of a command that reads."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    YAML = "yaml"
    VALUE = "value"


@dataclass(frozen=True)
class Answer:
    """The result of a command that reads, in every form in which it can be written.

    Attributes:
        data: plain JSON data, in a stable shape that other programs rely on.
        rows: one flat mapping for each line of a table or a CSV file, in order.
        value: the single value that a shell script would ask for, as text.
        picture: a richer form for people, instead of the plain table of ``rows``.
    """

    data: Any
    rows: Sequence[Mapping[str, Any]]
    value: str
    picture: Callable[[], RenderableType] | None = None
    empty: str = "nothing to show"


def show(answer: Answer, format: Format) -> None:
    """Write the answer to stdout."""
    match format:
        case Format.JSON:
            sys.stdout.write(json.dumps(answer.data, indent=2, default=str) + "\n")
        case Format.YAML:
            from hpotool.study.yaml.document import format_yaml

            sys.stdout.write(format_yaml(plain(answer.data)))
        case Format.CSV:
            _write_csv(answer.rows)
        case Format.VALUE:
            sys.stdout.write(visible_lines(answer.value) + "\n" if answer.value else "")
        case Format.TABLE:
            _show_picture(answer)
        case _:
            assert_never(format)


def say(text: str) -> None:
    """Print a message to stderr, with control sequences escaped."""
    sys.stderr.write(visible_lines(text) + "\n")
    sys.stderr.flush()


def default_file(studies: Sequence[str], ending: str) -> Path:
    """A file in this folder, named after studies: as much of their names as a file system takes (255 bytes)."""
    names = "-".join(study_folder_name(study) for study in studies)
    return Path(names[: _LONGEST_NAME - len(ending)] + ending)


def console(stream: Any = None) -> Console:
    """A Rich console as wide as the terminal, or as wide as its content if there is no terminal."""
    from rich.console import Console

    target = stream or sys.stdout
    width = None if target.isatty() else 500
    # An exported COLUMNS may be out of date.
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    return Console(file=target, width=width, highlight=False, soft_wrap=False, _environ=environment)


def table(rows: Sequence[Mapping[str, Any]], title: str | None = None) -> RenderableType:
    """Rows as a table that fits the terminal, with numbers aligned to the right."""
    from hpotool.cli.screen.tables import Fitted

    return Fitted(rows, title)


def plain(data: Any) -> Any:
    """The same data, with JSON types only."""
    return json.loads(json.dumps(data, default=str))


def _show_picture(answer: Answer) -> None:
    if answer.picture is None and not answer.rows:
        say(answer.empty)
        return
    console().print(answer.picture() if answer.picture else table(answer.rows))


def _write_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    writer = csv.DictWriter(sys.stdout, _columns(rows), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _csv_cell(value) for key, value in row.items()})


def _csv_cell(value: Any) -> Any:
    """The exact text for a file; for a terminal, with control sequences escaped."""
    text = json.dumps(value, default=str) if isinstance(value, (dict, list, tuple)) else value
    return visible(text) if isinstance(text, str) and sys.stdout.isatty() else text


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every key of every row, in the order of first appearance."""
    return list(dict.fromkeys(key for row in rows for key in row))
