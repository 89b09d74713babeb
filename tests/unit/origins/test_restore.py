from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from hpotool.errors import InputError
from hpotool.origins import restore
from hpotool.origins.code import read_code
from hpotool.origins.git import run_git
from hpotool.origins.restore import restore_code
from hpotool.study.spec import ObjectiveSpec
from tests.unit.origins.test_code import git


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository" / "project"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text("x = 1\n")
    (folder / "run.sh").write_text("echo\n")
    (folder / "run.sh").chmod(0o755)
    monkeypatch.chdir(folder)
    return folder


def _commit(folder: Path) -> None:
    git(folder.parent, "init", "-q")
    git(folder.parent, "add", "-A")
    git(folder.parent, "commit", "-q", "-m", "first")


def _recorded() -> dict[str, Any]:
    return dict(read_code(ObjectiveSpec(python="mine:train")).content)


def test_a_commit_with_its_changes_comes_back_wherever_the_repository_went_on(
    project: Path, tmp_path: Path
) -> None:
    _commit(project)
    (project / "mine.py").write_text("x = 2\n")
    (project / "new.py").write_text("y = 1\n")
    code = _recorded()
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "second")
    (project / "mine.py").write_text("x = 3\n")
    status = run_git(project, "status", "--porcelain")
    restore_code(code, project, tmp_path / "out")
    assert (tmp_path / "out/project/mine.py").read_text() == "x = 2\n"
    assert (tmp_path / "out/project/new.py").read_text() == "y = 1\n"
    assert (tmp_path / "out/project/run.sh").stat().st_mode & 0o100
    assert run_git(project, "status", "--porcelain") == status, "the repository is as it was"


def test_the_target_may_lie_in_the_repository(project: Path) -> None:
    _commit(project)
    (project / "mine.py").write_text("x = 2\n")
    code = _recorded()
    restore_code(code, project, project / "again" / "code")
    assert (project / "again/code/project/mine.py").read_text() == "x = 2\n"


def test_a_commit_that_is_not_there_is_refused_with_where_it_may_be(project: Path, tmp_path: Path) -> None:
    _commit(project)
    code = {**_recorded(), "remote": "https://example.org/repo.git"}
    for source in (tmp_path, project):
        with pytest.raises(InputError, match="in no git repository") as caught:
            restore_code({**code, "commit": "0" * 40}, source, tmp_path / "out")
        assert "git clone https://example.org/repo.git" in str(caught.value.hint)


def test_a_patch_that_does_not_fit_is_refused(project: Path, tmp_path: Path) -> None:
    _commit(project)
    with pytest.raises(InputError, match="cannot be applied") as caught:
        restore_code({**_recorded(), "diff": "no patch"}, project, tmp_path / "out")
    alone = str(caught.value.hint).partition(": ")[2].replace("FOLDER", str(tmp_path / "alone"))
    subprocess.run(["sh", "-c", alone], cwd=project, check=True, capture_output=True)
    assert (tmp_path / "alone" / "project" / "mine.py").exists()


def test_without_git_the_folder_is_copied_without_its_data(project: Path, tmp_path: Path) -> None:
    (project / "data").mkdir()
    (project / "data" / "rows.csv").write_text("1")
    code = _recorded()
    restore_code(code, project, tmp_path / "out", [project / "data"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mine.py", "run.sh"]


def test_without_git_other_code_is_refused(project: Path, tmp_path: Path) -> None:
    code = _recorded()
    (project / "helper.py").write_text("x = 2\n")
    with pytest.raises(InputError, match="the files of code"):
        restore_code(code, project, tmp_path / "out")
    (project / "mine.py").write_text("x = 2\n")
    with pytest.raises(InputError, match=r"mine\.py is not the code of the trial"):
        restore_code(code, project, tmp_path / "out")
    (project / "mine.py").unlink()
    with pytest.raises(InputError, match="its content is not there"):
        restore_code(code, project, tmp_path / "out")


def test_a_folder_that_is_mostly_no_code_is_not_copied(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "LARGEST_COPY", 5)
    with pytest.raises(InputError, match="more than code"):
        restore_code(_recorded(), project, tmp_path / "out")
