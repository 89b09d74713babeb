from __future__ import annotations

from pathlib import Path

from hpotool.origins.git import read_diff, read_line, read_paths, run_git
from tests.unit.origins.test_code import git


def _repository(folder: Path) -> Path:
    git(folder, "init", "-q")
    (folder / "ä b.py").write_text("1\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_without_a_repository_git_knows_nothing(tmp_path: Path) -> None:
    assert run_git(tmp_path, "rev-parse", "HEAD") is None
    assert read_line(tmp_path, "rev-parse", "HEAD") is None
    assert read_paths(tmp_path, "ls-files", "-z") == []


def test_names_come_as_they_are(tmp_path: Path) -> None:
    assert read_paths(_repository(tmp_path), "ls-files", "-z") == ["ä b.py"]


def test_a_diff_holds_changes_and_new_files(tmp_path: Path) -> None:
    folder = _repository(tmp_path)
    assert read_diff(folder, ["."], []) == b""
    (folder / "ä b.py").write_text("2\n")
    (folder / "new.py").write_text("3\n")
    diff = read_diff(folder, ["."], ["new.py"])
    assert b"+2\n" in diff
    assert b"+3\n" in diff
    assert b"new file mode" in diff


def test_what_is_staged_stays_as_it_is(tmp_path: Path) -> None:
    folder = _repository(tmp_path)
    (folder / "new.py").write_text("3\n")
    before = run_git(folder, "status", "--porcelain")
    run_git(folder, "read-tree", "HEAD", more={"GIT_INDEX_FILE": str(tmp_path / "index")})
    (tmp_path / "index").unlink()
    assert run_git(folder, "status", "--porcelain") == before
