"""The SQL statements of this package: each is below a line ``-- name: NAME`` in a file of ``storage/sql``.

Names are unique, so ``grep -rn "name: claim$"`` finds a statement. A line ``-- include: NAME`` stands for that
section, so that statements can share parts that must not differ. To print a statement as it is sent, run
``python -m hpotool.storage.database.queries claim``; to write all of them, ``make sql``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

# ``schema`` lies next to these.
_FOLDERS = ("control", "database", "fleet", "monitoring", "moving", "optuna", "tracking")
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)


def to_jsonb(data: Mapping[str, Any]) -> str:
    """``data`` for a ``jsonb`` column, without escapes, which a database in SQL_ASCII refuses there."""
    return json.dumps(dict(data), ensure_ascii=False)


@cache
def query(name: str) -> str:
    """The statement with this name, with its includes and without comments."""
    whole = _INCLUDE.sub(lambda found: query(found.group(1)), sections()[name])
    return _COMMENT.sub("", whole)


@cache
def sections() -> Mapping[str, str]:
    """The source of every section, by name."""
    return dict(read_sections())


def read_sections() -> Iterator[tuple[str, str]]:
    """Each section of each file: name and text."""
    for folder in _FOLDERS:
        for file in (files("hpotool.storage") / "sql" / folder).iterdir():
            _, *parts = _NAME.split(file.read_text(encoding="utf-8"))
            for name, text in zip(parts[::2], parts[1::2], strict=True):
                yield name, text.strip("\n") + "\n"


def main(arguments: list[str]) -> str | None:
    """Print the named statement, or write all of them to files in ``--all FOLDER``; return an error, if any."""
    match arguments:
        case ["--all", folder]:
            Path(folder).mkdir(parents=True, exist_ok=True)
            for name in sections():
                (Path(folder) / f"{name}.sql").write_text(query(name), encoding="utf-8")
        case [name] if name in sections():
            sys.stdout.write(query(name))
        case _:
            return f"name one of these, or --all FOLDER: {', '.join(sorted(sections()))}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
