from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hpotool.errors import InputError
from hpotool.origins.code import read_code
from hpotool.origins.reproduction import list_requirements, write_reproduction
from hpotool.study.origins.recipe import Recipe
from hpotool.study.spec import ObjectiveSpec
from tests.unit.study.origins.test_recipe import RECIPE


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    (project / "mine.py").write_text("x = 1\n")
    (project / "data" / "rows.csv").write_text("1")
    monkeypatch.chdir(project)
    code = read_code(ObjectiveSpec(python="mine:train")).content
    data = {path: {"hash": "1"} for path in ("data/rows.csv", "/absolute", "s3://b/c", "${D}/x", "gone")}
    environment = {"python": "3.11.7", "packages": {"numpy": "2.0"}, "image": "registry/train:1"}
    return replace(RECIPE, code=code, data=data, environment=environment)


def test_the_folder_has_code_script_lock_and_requirements(recipe: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    write_reproduction(recipe, folder, Path.cwd())
    assert {path.name for path in folder.iterdir()} == {
        *("code", "reproduce.sh", "lock.json", "requirements.txt", ".gitignore"),
    }
    assert json.loads((folder / "lock.json").read_text())["params"] == {"x": 0.1}
    assert (folder / "requirements.txt").read_text() == "numpy==2.0\n"
    script = (folder / "reproduce.sh").read_text()
    assert "registry/train:1" in script
    assert "python3.11 -m venv environment" in script
    assert subprocess.run(["sh", "-n", folder / "reproduce.sh"], check=False).returncode == 0
    assert (folder / "reproduce.sh").stat().st_mode & 0o100


def test_data_beside_the_code_is_linked_and_no_other(recipe: Recipe, tmp_path: Path) -> None:
    write_reproduction(recipe, tmp_path / "again", Path.cwd())
    code = tmp_path / "again" / "code"
    assert (code / "data" / "rows.csv").is_symlink()
    assert (code / "data" / "rows.csv").read_text() == "1"
    assert {path.name for path in code.iterdir()} == {"mine.py", "data"}


def test_a_folder_that_holds_something_is_left_alone(recipe: Recipe, tmp_path: Path) -> None:
    for place in (tmp_path / "project", tmp_path / "project" / "mine.py"):
        with pytest.raises(InputError, match="exists and is not empty"):
            write_reproduction(recipe, place, Path.cwd())
    (tmp_path / "empty").mkdir()
    write_reproduction(recipe, tmp_path / "empty", Path.cwd())


def test_packages_from_elsewhere_are_named_with_their_place() -> None:
    environment = {
        "packages": {"a": "1", "b": "2", "c": "3"},
        "direct": {"b": "git+https://example.org/b@abc", "c": "file:///src/c"},
    }
    lines = list(list_requirements(environment))
    assert lines[:2] == ["a==1", "b @ git+https://example.org/b@abc"]
    assert lines[2].startswith("# c 3 was installed from a folder")
    assert lines[3] == "c @ file:///src/c"
    assert list(list_requirements(None)) == []
