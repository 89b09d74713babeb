from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hpotool.storage.fleet.code_folder import code_paths, hash_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "train.py",
        "package/model.py",
        ".env",
        "__pycache__/train.pyc",
        "venv/pyvenv.cfg",
        "mine/pyvenv.cfg",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_without_git_what_is_hidden_cached_or_installed_is_no_code(folder: Path) -> None:
    assert code_paths(folder) == ["package/model.py", "train.py"]


def test_with_git_what_it_ignores_is_none(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", folder], check=True)
    (folder / ".gitignore").write_text("package\nvenv\nmine\n__pycache__\n")
    assert code_paths(folder) == [".env", ".gitignore", "train.py"]
    (folder / "train.py").unlink()
    assert "train.py" not in code_paths(folder), "also what git still lists"


def test_content_names_and_rights_count_and_nothing_else(folder: Path) -> None:
    paths = code_paths(folder)
    first = hash_files(folder, paths)
    (folder / "output.txt").write_text("an objective wrote it")
    (folder / "train.py").touch()
    assert hash_files(folder, paths) == first
    (folder / "train.py").chmod(0o755)
    executable = hash_files(folder, paths)
    (folder / "train.py").write_text("other")
    changed = hash_files(folder, paths)
    (folder / "train.py").unlink()
    assert len({first, executable, changed, hash_files(folder, paths)}) == 4
