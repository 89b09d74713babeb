"""A first study file: from a script or a sweep, over no other file, and what is still to be done is said."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from hpotool.cli.commands.describe.init import _draft_file, _say_what_next, _write_example, _write_new
from hpotool.errors import HpotoolError, InputError, NotFoundError, StudyFileError
from hpotool.study.draft.write import format_draft
from hpotool.study.file.reader import read_study_file

SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--depth", type=int, default=6)
args = parser.parse_args()
print('{"loss": 0.5}')
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_script_becomes_a_draft_that_a_person_can_finish(here: Path) -> None:
    path = Path("train.py")
    path.write_text(SCRIPT)
    text = format_draft(_draft_file(path), str(path))
    assert "lr" in text
    assert "depth" in text
    with contextlib.suppress(StudyFileError):  # what only a person knows is left open
        read_study_file(text, "train.yaml")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_script_with_a_byte_order_mark_is_read_too(mark: bytes) -> None:
    Path("train.py").write_bytes(mark + SCRIPT.encode())
    assert _draft_file(Path("train.py")).name


@pytest.mark.parametrize(
    ("name", "content", "kind", "says"),
    [
        ("none.py", None, NotFoundError, "the file none.py does not exist"),
        ("notes.txt", b"hello", InputError, "notes.txt is neither a Python script nor YAML"),
        ("train", b"hello", InputError, "train is neither a Python script nor YAML"),
        ("train.ipynb", b"{}", InputError, "train.ipynb is neither a Python script nor YAML"),
        ("train.py", b"\xff\xfe\x00", InputError, "the file train.py is not UTF-8 text"),
        ("train.py", b"def f(:\n", InputError, "not valid Python"),
        ("train.py", b"", InputError, "train.py"),
        ("sweep.yaml", b"[1, 2]", InputError, "sweep.yaml"),
        ("sweep.yaml", b"a: [", InputError, "sweep.yaml"),
        ("sweep.yml", b"", InputError, "sweep.yml"),
    ],
)
def test_what_no_file_can_be_made_of_is_refused_by_its_name(
    name: str, content: bytes | None, kind: type[HpotoolError], says: str
) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(kind) as refused:
        _draft_file(Path(name))
    assert says in refused.value.message
    assert refused.value.hint


def test_a_folder_is_no_file() -> None:
    Path("folder.py").mkdir()
    with pytest.raises(InputError, match=r"the file folder\.py cannot be read: Is a directory"):
        _draft_file(Path("folder.py"))


def test_no_file_is_overwritten() -> None:
    _write_new(Path("a.yaml"), "first")
    with pytest.raises(InputError, match=r"a\.yaml already exists, and init overwrites no file") as refused:
        _write_new(Path("a.yaml"), "second")
    assert refused.value.hint == "name another file: -o OTHER.yaml"
    assert Path("a.yaml").read_text() == "first"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_is_said() -> None:
    Path("closed").mkdir(mode=0o500)
    with pytest.raises(InputError, match="cannot be written: Permission denied"):
        _write_new(Path("closed/a.yaml"), "text")


def test_a_folder_that_is_not_there_is_said() -> None:
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        _write_new(Path("none/a.yaml"), "text")


def test_what_is_still_wrong_is_said_before_the_next_commands(capsys: pytest.CaptureFixture[str]) -> None:
    _say_what_next(Path("my file.yaml"), "study: s\nmetrics: {loss: minimize}\n")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("to fix: my file.yaml:")
    assert lines[-2:] == [
        "next: review the file, then: hpotool check 'my file.yaml'",
        "then: hpotool create-study 'my file.yaml'",
    ]


def test_an_example_is_written_with_its_model_and_the_next_command(capsys: pytest.CaptureFixture[str]) -> None:
    _write_example("quadratic", None)
    written = capsys.readouterr()
    assert written.out == "studies/quadratic.yaml\n"
    assert Path("objectives/quadratic.py").exists()
    assert "next: hpotool check studies/quadratic.yaml" in written.err
    with pytest.raises(InputError, match="names of their own"):
        _write_example("quadratic", Path("mine.yaml"))
