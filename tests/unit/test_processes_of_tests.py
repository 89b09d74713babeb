"""No test waits for its own processes: what a failing test started is killed, not waited for."""

from __future__ import annotations

import ast
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.child_processes import child_process

TESTS = Path(__file__).parents[1]


def _is_popen(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("subprocess.Popen", "Popen")


def _left_alone(tree: ast.AST) -> Iterator[int]:
    """The lines of processes that a failure leaves running, or waits for."""
    for function in ast.walk(tree):
        if isinstance(function, ast.With):
            yield from (item.context_expr.lineno for item in function.items if _is_popen(item.context_expr))
        if not isinstance(function, ast.FunctionDef) or "Popen" in ast.unparse(function.returns or ast.Tuple([])):
            continue  # who calls a function that returns a process ends it
        ends = [node for node in ast.walk(function) if isinstance(node, ast.Try) and node.finalbody]
        is_ended = any(".kill()" in ast.unparse(line) for node in ends for line in node.finalbody)
        yield from (node.lineno for node in ast.walk(function) if _is_popen(node) and not is_ended)


@pytest.mark.parametrize("file", sorted(TESTS.rglob("test_*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_what_a_test_starts_it_ends(file: Path) -> None:
    assert sorted(set(_left_alone(ast.parse(file.read_text())))) == []


def test_a_child_ends_with_its_block_however_that_ends() -> None:
    began = time.monotonic()
    sleeps = [sys.executable, "-c", "import time; time.sleep(300)"]
    with pytest.raises(AssertionError), child_process(sleeps) as process:
        raise AssertionError
    assert process.returncode == -9
    assert time.monotonic() - began < 100


def test_the_check_can_fail() -> None:
    waits = "def test_it() -> None:\n    with subprocess.Popen(['x']) as it:\n        assert it"
    leaves = "def test_it() -> None:\n    it = subprocess.Popen(['x'])\n    assert it\n    it.kill()"
    assert [set(_left_alone(ast.parse(code))) for code in (waits, leaves)] == [{2}, {2}]
