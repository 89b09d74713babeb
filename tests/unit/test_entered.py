"""``make entered`` finds the functions that no test enters, and only those."""

import ast
from pathlib import Path

import pytest

from tests import entered

TEXT = '''
class A:
    def used(self):
        """Its docstring stays the first."""
        def inside(): return 1
        return inside()
    def unused(self): return 2
def generator():
    yield 3
'''


def test_each_function_notes_its_name_when_it_is_entered() -> None:
    noted: list[str] = []
    names: dict = {entered._NOTE: noted.append}
    exec(compile(entered.says_so(ast.parse(TEXT), "m"), "m.py", "exec"), names)
    assert noted == []
    assert names["A"]().used() == 1
    names["generator"]()
    assert noted == ["m:A.used", "m:A.used.<locals>.inside"], "a generator is entered by whoever asks it"
    assert list(names["generator"]()) == [3]
    assert noted[2:] == ["m:generator"]
    assert names["A"].used.__doc__ == "Its docstring stays the first."


def test_what_nobody_entered_is_listed_apart_by_whether_it_does_io(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "hpotool"
    (package / "study").mkdir(parents=True)
    (package / "study" / "m.py").write_text("def a(): return 1\ndef b(): return 2\ndef c(): open('x')\n")
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "1").write_text("hpotool.study.m:a\nhpotool.study.other:b")
    monkeypatch.setattr(entered, "PACKAGE", package)
    pure, with_io = entered.main(notes).split("\n\n")
    assert pure.splitlines()[1:] == ["hpotool/study/m.py:2 b"]
    assert with_io.splitlines()[1:] == ["hpotool/study/m.py:3 c"]
