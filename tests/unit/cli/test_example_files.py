"""The examples that come along: each with all it names, and nothing of the user's lost."""

from pathlib import Path

import pytest

from hpotool.cli.commands.describe.init import init
from hpotool.cli.example_files import list_examples, read_example, write_new_files
from hpotool.errors import InputError, NotFoundError
from hpotool.study.file.reader import read_study_file

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", list_examples())
def test_an_example_is_a_study_file_and_the_model_that_it_names(name: str) -> None:
    study, *models = read_example(name).items()
    objective = read_study_file(study[1], str(study[0])).objective
    named = objective.python or " ".join(objective.command or ())
    found = [path.stem for path, _ in models if path.stem != "__init__"]
    assert study[0] == Path("studies", f"{name}.yaml")
    assert len(found) == 1
    assert found[0] in named


def test_every_example_is_named_in_the_help() -> None:
    option = init.__annotations__["example"]
    assert [name for name in list_examples() if name not in option] == []


def test_an_example_that_is_not_there() -> None:
    with pytest.raises(NotFoundError, match="did you mean 'quadratic'") as caught:
        read_example("quadratics")
    assert caught.value.hint == f"the examples are {', '.join(list_examples())}"
    assert read_example("xgboost-digits") == read_example("xgboost_digits")


def test_files_are_written_once_and_never_over_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = read_example("quadratic")
    write_new_files(first)
    write_new_files(read_example("quadratic_shell"))  # shares a file with the first
    assert all(path.read_text() == (ROOT / path).read_text() for path in first)
    Path("objectives/quadratic.py").write_text("mine")
    Path("studies/quadratic.yaml").unlink()
    with pytest.raises(InputError, match=r"objectives/quadratic\.py exists already"):
        write_new_files(first)
    assert not Path("studies/quadratic.yaml").exists()
    assert Path("objectives/quadratic.py").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("studies").write_text("a file")
    with pytest.raises(InputError, match=r"studies/quadratic\.yaml cannot be written: ") as caught:
        write_new_files(read_example("quadratic"))
    assert caught.value.hint == "do it in another folder"
