"""Which functions of the package no unit test enters: ``make entered``.

As a plugin of pytest, it has each function of three folders say that it was entered. As a program, it prints those
that never were: first those that do no I/O of their own, which a unit test could enter.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

PACKAGE = Path(__file__).parents[1] / "hpotool"
FOLDERS = ("study", "worker", "analysis")
_NOTES = "HPOTOOL_TEST_ENTERED"
_NOTE = "__entered__"
# A function that says one of these words talks to a process, a database, a disk or a clock.
_IMPURE = {
    "connection", "Connection", "cursor", "subprocess", "Popen", "os", "signal", "socket", "select", "selectors",
    "fcntl", "shutil", "tempfile", "time", "sleep", "monotonic", "Thread", "threading", "Event", "psutil", "open",
    "read_text", "read_bytes", "write_text", "write_bytes", "gc", "unlink", "mkdir", "iterdir", "exists", "is_dir",
    "is_file", "stat", "sys", "run", "storage", "logger", "resource", "fsspec", "pynvml", "urllib", "importlib",
}  # fmt: skip

_entered: set[str] = set()


def functions_in(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function below a node, with its name as Python calls it."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield inside + child.name, child
            yield from functions_in(child, f"{inside}{child.name}.<locals>.")
        else:
            yield from functions_in(child, f"{inside}{child.name}." if isinstance(child, ast.ClassDef) else inside)


def says_so(tree: ast.Module, module: str) -> ast.Module:
    """The module, each function of which notes its name before anything else."""
    for name, function in functions_in(tree):
        [note] = ast.parse(f"{_NOTE}({f'{module}:{name}'!r})").body
        has_docstring = ast.get_docstring(function, clean=False) is not None
        function.body.insert(1 if has_docstring else 0, note)
    return ast.fix_missing_locations(tree)


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(Path(self.path).read_text())
        return compile(says_so(tree, fullname), self.path, "exec", dont_inherit=True)

    def exec_module(self, module: Any) -> None:
        setattr(module, _NOTE, _entered.add)
        super().exec_module(module)


class _Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname.split(".")[:1] != ["hpotool"] or fullname.split(".")[1:2] not in [[name] for name in FOLDERS]:
            return None
        spec = super().find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin)
        return spec


def pytest_unconfigure() -> None:
    (Path(os.environ[_NOTES]) / str(os.getpid())).write_text("\n".join(_entered))


if _NOTES in os.environ:
    sys.meta_path.insert(0, _Finder)


def _words(function: ast.AST) -> set[str]:
    return {getattr(node, "id", None) or getattr(node, "attr", None) or "" for node in ast.walk(function)}


def main(notes: Path) -> str:
    """The functions that nobody entered, those without I/O first."""
    entered = {line for file in notes.iterdir() for line in file.read_text().splitlines()}
    pure, others, count = [], [], 0
    for folder in FOLDERS:
        for source in sorted((PACKAGE / folder).rglob("*.py")):
            parts = source.relative_to(PACKAGE.parent).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            for name, function in functions_in(ast.parse(source.read_text())):
                count += 1
                if f"{module}:{name}" not in entered:
                    place = f"{source.relative_to(PACKAGE.parent)}:{function.lineno} {name}"
                    (others if _words(function) & _IMPURE else pure).append(place)
    title = f"{count} functions; without I/O and entered by no unit test:"
    return "\n".join([title, *pure, "", "with I/O and entered by none:", *others])


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))  # noqa: T201
