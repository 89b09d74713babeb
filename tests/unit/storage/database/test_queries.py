"""Each statement has one name, each name that Python says is there, and each that is there is said."""

import ast
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import get_args

import hpotool
from hpotool.storage.database.queries import main, query, read_sections, sections
from hpotool.storage.optuna.write_buffer import Kind

PACKAGE = Path(hpotool.__file__).parent
SQL = PACKAGE / "storage" / "sql"


def test_no_two_statements_have_one_name() -> None:
    assert [name for name, count in Counter(name for name, _ in read_sections()).items() if count > 1] == []


def test_every_file_but_the_schema_s_is_read() -> None:
    written = [
        name
        for file in SQL.rglob("*.sql")
        if file.parent.name != "schema"
        for name in re.findall(r"^-- name: (\w+)$", file.read_text(), re.MULTILINE)
    ]
    assert sorted(written) == sorted(sections())


def test_each_statement_is_whole() -> None:
    assert [name for name in sections() if not query(name).strip() or "--" in query(name)] == []


def test_every_name_that_is_used_is_there() -> None:
    asked = {
        node.args[0].value
        for node in _nodes()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "query"
        and isinstance(node.args[0], ast.Constant)
    }
    assert len(asked) > 50
    assert asked - sections().keys() == set(), "add it to a file of hpotool/storage/sql"


def test_every_name_that_is_there_is_used() -> None:
    said = {node.value for node in _nodes() if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    said |= {f"write_{kind}" for kind in get_args(Kind)}
    included = {name for text in sections().values() for name in re.findall(r"^-- include: (\w+)$", text, re.M)}
    assert sections().keys() - said - included == set(), "nothing uses it"


@cache
def _nodes() -> list[ast.AST]:
    """The calls and constants of the package; reading it once takes a second or two."""
    nodes = (node for file in PACKAGE.rglob("*.py") for node in ast.walk(ast.parse(file.read_text())))
    return [node for node in nodes if isinstance(node, (ast.Call, ast.Constant))]


def test_one_statement_is_printed_as_it_is_sent() -> None:
    command = [sys.executable, "-m", "hpotool.storage.database.queries", "claim"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert printed.stdout == query("claim")
    assert "-- include" not in printed.stdout


def test_all_statements_are_written_into_a_folder(tmp_path: Path) -> None:
    assert main(["--all", str(tmp_path / "sql")]) is None
    assert {file.stem: file.read_text() for file in (tmp_path / "sql").iterdir()} == {
        n: query(n) for n in sections()
    }


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    assert "claim" in (main(["clam"]) or "")
