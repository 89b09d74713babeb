"""How the house is kept: tests mirror the package, and no file or folder outgrows what a reader holds at once."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import hpotool

PACKAGE = Path(hpotool.__file__).parent
UNIT = Path(__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 400
MOST_FILES = 14
LONGEST_MEDIAN_FUNCTION = 8
# Tests of several modules of their folder together, or of what is no module.
TOGETHER = {
    "analysis/test_replicates.py",
    "cli/test_help.py",
    "cli/test_wrong_input.py",
    "search/test_early_failures.py",
    "search/test_learning_curves.py",
    "search/test_search_quality.py",
    "study/file/test_bad_study_files.py",
    "study/file/test_example_studies.py",
    "study/file/test_one_declaration.py",
}


def test_unit_tests_mirror_the_package() -> None:
    below = [path.relative_to(UNIT) for path in UNIT.rglob("test_*.py") if path.parent != UNIT]
    astray = [
        str(path)
        for path in below
        if not (PACKAGE / path.parent / path.name.removeprefix("test_")).exists() and str(path) not in TOGETHER
    ]
    assert astray == [], "a test is named after its module and lies in the same folder"
    assert sorted(TOGETHER - {str(path) for path in below}) == []


def test_a_module_is_at_most_400_lines() -> None:
    lengths = {str(source.relative_to(PACKAGE)): len(source.read_text().splitlines()) for source in SOURCES}
    assert {path: length for path, length in lengths.items() if length > LONGEST_MODULE} == {}, "split them"


def test_no_folder_has_more_files_than_one_looks_through() -> None:
    counted = Counter(
        path.parent
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.name != "__init__.py" and "__pycache__" not in path.parts
    )
    assert {str(folder): count for folder, count in counted.items() if count > MOST_FILES} == {}


def test_the_median_function_is_at_most_eight_lines() -> None:
    functions = [node for source in SOURCES for node in _functions(ast.parse(source.read_text()))]
    lines = [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]
    assert median(lines) <= LONGEST_MEDIAN_FUNCTION


def test_nouns_are_counted_in_one_place() -> None:
    """``1 seeds`` is easily written; `count_of` is the one place that knows better."""
    by_hand = re.compile(r"""(''|"") if [^\n]{1,40} == 1 else ['"]s|== 1 else f?['"](\{[^}\n]*\} )?\w+s['"]""")
    found = [
        f"{path.relative_to(PACKAGE)}: {match[0]}"
        for path in SOURCES
        for match in by_hand.finditer(path.read_text())
        if path.name != "wording.py"
    ]
    assert found == []


def _functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions below a node. Only statements are looked into: `ast.walk` looks into every expression too."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, field, ()):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield child
            yield from _functions(child)


def test_every_function_is_looked_at() -> None:
    text = """
class A:
    def one(self):
        if x:
            def two(): ...
        else:
            async def three(): ...
try:
    pass
except E:
    def four(): ...
finally:
    def five(): ...
match x:
    case 1:
        def six(): ...
for x in y:
    pass
else:
    def seven(): ...
"""
    tree = ast.parse(text)
    walked = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    assert {node.name for node in _functions(tree)} == walked
    assert len(walked) == 7
