"""What benchmarks and tests that run by hand import from hpotool exists: they start when somebody needs them."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[1]


def _imports(path: Path) -> list[tuple[str, str]]:
    """Return (module, name) for each name that the file imports from hpotool."""
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "hpotool"
        for alias in node.names
    ]


def _exists(module: str, name: str) -> bool:
    imported = importlib.import_module(module)
    if hasattr(imported, name):
        return True
    try:
        importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("folder", ["benchmarks", "containers", "."])
def test_what_is_imported_from_hpotool_exists(folder: str) -> None:
    files = sorted((_TESTS / folder).glob("*.py") if folder == "." else (_TESTS / folder).rglob("*.py"))
    assert files
    missing = [
        f"{file.relative_to(_TESTS)}: {module}.{name}"
        for file in files
        for module, name in _imports(file)
        if not _exists(module, name)
    ]
    assert not missing
