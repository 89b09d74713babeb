import subprocess
from pathlib import Path

import pytest

from hpotool.storage.control.versions import code_differences, code_files, running_versions, version_differences
from hpotool.study.spec import ObjectiveSpec

PYTHON = ObjectiveSpec(python="pack.train:objective")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (tmp_path / "pack" / "train.py").write_text("def objective(trial): return 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@x"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_the_code_is_found_without_importing_anything(folder: Path) -> None:
    assert code_files(PYTHON) == [folder / "pack" / "train.py"]
    assert code_files(ObjectiveSpec(python="pack.missing:f")) == []
    assert code_files(ObjectiveSpec(python="nowhere:f")) == []


def test_a_commands_files_are_its_code(folder: Path) -> None:
    command = ObjectiveSpec(command=("python", "pack/train.py", "--lr", "{lr}", "missing.txt"))
    assert code_files(command) == [Path("pack/train.py")]


def test_a_change_of_the_code_is_told_and_nothing_else(folder: Path) -> None:
    before = running_versions(PYTHON)
    assert version_differences(before, running_versions(PYTHON)) == []
    (folder / "pack" / "train.py").write_text("def objective(trial): return 2\n")
    [said] = version_differences(before, running_versions(PYTHON))
    assert said.startswith("the objective's code (SHA-256) is ")


def test_the_commit_and_whether_files_differ_from_it_are_told(folder: Path) -> None:
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "one")
    clean = running_versions(PYTHON)
    (folder / "pack" / "__init__.py").write_text("# changed\n")
    changed = running_versions(PYTHON)
    assert changed["commit"] == f"{clean['commit']}+changes"
    assert changed["code"] == clean["code"]
    [said] = version_differences(clean, changed)
    assert "the git commit" in said


def test_what_is_not_known_on_one_side_is_no_difference() -> None:
    assert version_differences({"python": "3.11.2"}, {"python": "3.12.1", "code": "x"}) == [
        "Python is 3.12.1 here, but was 3.11.2 when the study was created"
    ]
    assert version_differences({"commit": "abc"}, {}) == []


def test_the_code_of_two_studies_is_the_same_when_it_is_stored_as_the_same() -> None:
    same = {"code": "12ab", "commit": "f00", "python": "3.11"}
    assert code_differences("a", same, "b", {**same, "python": "3.12"}) == []
    assert code_differences("a", same, "b", {"code": "12ab"}) == []  # git is not on every machine
    assert code_differences("a", same, "b", {"code": "34cd", "commit": "baa"}) == [
        "the objective's code (SHA-256) is 12ab in 'a' but 34cd in 'b'",
        "the git commit is f00 in 'a' but baa in 'b'",
    ]


def test_code_that_nobody_stored_is_not_the_same() -> None:
    assert code_differences("a", {"code": "12ab"}, "b", {}) == ["the objective's code is not stored with 'b'"]
    assert len(code_differences("a", {}, "b", {})) == 2
