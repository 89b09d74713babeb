"""A process that looks as if the objective's module had been run in it, and afterwards as it was."""

import importlib
import os
import sys
from pathlib import Path

import pytest

from hpotool.worker.child.plain_process import become_plain, plain_for_a_while


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a_package_of_this_test" / "below").mkdir(parents=True)
    for name in ("a_package_of_this_test/__init__", "a_package_of_this_test/train", "a_script_of_this_test"):
        (tmp_path / f"{name}.py").write_text("raise AssertionError('it was imported')")
    (tmp_path / "a_package_of_this_test" / "below" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    importlib.invalidate_caches()
    return tmp_path


@pytest.mark.parametrize(
    ("reference", "script"),
    [
        ("a_script_of_this_test:objective", "a_script_of_this_test.py"),
        ("a_package_of_this_test:objective", "a_package_of_this_test/__init__.py"),
        ("a_package_of_this_test.train:Class.method", "a_package_of_this_test/train.py"),
        ("a_package_of_this_test.below:objective", "a_package_of_this_test/below/__init__.py"),
        ("a_package_of_this_test.missing:objective", "a_package_of_this_test/missing.py"),
        ("missing:objective", "missing.py"),
        ("", ".py"),
    ],
)
def test_the_script_is_the_objectives_module_and_nothing_is_imported(
    here: Path, reference: str, script: str
) -> None:
    before = sys.argv, sys.orig_argv, sys.modules["__main__"], list(sys.path), dict(os.environ)
    with plain_for_a_while(reference, {"GREETING": "hello"}):
        assert [Path(argument) for argument in sys.argv] == [here / script]
        assert sys.orig_argv == [sys.executable, *sys.argv]
        assert vars(sys.modules["__main__"])["__spec__"] is None
        assert sys.path[0] == str(here)
        os.environ["ANOTHER"] = "set by the objective"
        assert os.environ.pop("GREETING") == "hello"
    assert before == (sys.argv, sys.orig_argv, sys.modules["__main__"], sys.path, dict(os.environ))


def test_the_working_folder_is_searched_first_and_once(here: Path) -> None:
    with plain_for_a_while("missing:objective", {}):
        become_plain("missing:objective")
        assert sys.path.count(str(here)) == 1
