from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from hpotool.origins import code as code_module
from hpotool.origins.code import LARGEST_DIFF, code_stamp, read_code
from hpotool.study.spec import ObjectiveSpec

OBJECTIVE = ObjectiveSpec(python="mine:train")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose folder ``project`` is the working folder."""
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    (project / "mine.py").write_text("import helper\n")
    (project / "helper.py").write_text("x = 1\n")
    (project / "data" / "rows.csv").write_text("1\n")
    (tmp_path / "README").write_text("about\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "first")
    git(tmp_path, "remote", "add", "origin", "https://ann:secret@example.org/repo.git")
    monkeypatch.chdir(project)
    return tmp_path


def _read(*data: Path) -> tuple[str, dict[str, Any]]:
    part = read_code(OBJECTIVE, data)
    return part.hash, dict(part.content)


def test_committed_code_is_its_files_and_its_tree(repository: Path) -> None:
    _, content = _read()
    assert list(content["files"]) == ["mine.py"]
    assert (content["folder"], content["changes"], content["diff"]) == ("project", None, None)
    assert content["remote"] == "https://example.org/repo.git"
    assert len(content["commit"]) == 40


def test_a_commit_elsewhere_in_the_repository_is_the_same_code(repository: Path) -> None:
    before, content = _read()
    (repository / "README").write_text("other\n")
    git(repository, "commit", "-q", "-a", "-m", "second")
    after, later = _read()
    assert after == before
    assert later["commit"] != content["commit"]
    (repository / "project" / "helper.py").write_text("x = 2\n")
    git(repository, "commit", "-q", "-a", "-m", "third")
    assert _read()[0] != before


def test_uncommitted_changes_can_be_applied_again(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before, _ = _read()
    project = repository / "project"
    (project / "helper.py").write_text("x = 3\n")
    (project / "new.py").write_text("y = 1\n")
    (project / "results.csv").write_text("no code")
    changed, content = _read()
    assert changed != before
    clone = tmp_path_factory.mktemp("clone")
    git(clone, "clone", "-q", str(repository), "code")
    subprocess.run(["git", "-C", str(clone / "code"), "apply"], input=content["diff"].encode(), check=True)
    assert (clone / "code/project/helper.py").read_text() == "x = 3\n"
    assert (clone / "code/project/new.py").read_text() == "y = 1\n"
    assert not (clone / "code/project/results.csv").exists()


def test_settings_of_git_do_not_change_what_is_recorded(repository: Path) -> None:
    (repository / "project" / "helper.py").write_text("x = 3\n")
    before, _ = _read()
    for name, value in (("diff.noprefix", "true"), ("color.ui", "always"), ("diff.external", "false")):
        git(repository, "config", name, value)
    assert _read()[0] == before


def test_data_of_the_study_is_no_code(repository: Path) -> None:
    data = repository / "project" / "data"
    before, _ = _read(data)
    (data / "rows.csv").write_text("2\n")
    assert _read(data)[0] == before
    git(repository, "commit", "-q", "-a", "-m", "data")
    assert _read(data)[0] == before
    assert _read()[0] != before, "data that the study does not name is part of the tree"


def test_large_changes_are_known_by_their_hash_alone(repository: Path) -> None:
    (repository / "project" / "helper.py").write_text(f"x = '{'y' * LARGEST_DIFF}'\n")
    _, content = _read()
    assert content["diff"] is None
    assert content["changes"]


def test_without_a_repository_the_code_is_every_file_of_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine.py", "helper.py", "rows.csv"):
        (tmp_path / name).write_text("x = 1\n")
    before, content = _read()
    assert set(content) == {"files", "tree"}
    (tmp_path / "rows.csv").write_text("x = 2\n")
    assert _read()[0] == before
    (tmp_path / "helper.py").write_text("x = 2\n")
    assert _read()[0] != before
    monkeypatch.setattr(code_module, "MOST_FILES", 2)
    assert set(_read()[1]) == {"files"}, "of a folder with very many files, only the objective's"


def test_a_folder_that_ignores_itself_is_no_code(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As what `hpotool reproduce` writes into the working folder."""
    plain = tmp_path_factory.mktemp("plain")
    (plain / "mine.py").write_text("x = 1\n")
    for folder in (repository / "project", plain):
        before = read_code(OBJECTIVE, folder=folder).hash
        (folder / "again" / "code").mkdir(parents=True)
        (folder / "again" / ".gitignore").write_text("*\n")
        (folder / "again" / "code" / "other.py").write_text("y = 1\n")
        assert read_code(OBJECTIVE, folder=folder).hash == before


def test_a_commands_files_are_watched_and_a_module_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.sh").write_text("a")
    command = ObjectiveSpec(command=("sh", "train.sh", "{x}"))
    before = code_stamp(command)
    (tmp_path / "train.sh").write_text("ab")
    assert code_stamp(command) != before
    assert code_stamp(OBJECTIVE) is None
