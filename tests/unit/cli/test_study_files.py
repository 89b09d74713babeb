"""A study file that cannot be read is answered with what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.cli.study_files import read_study
from hpotool.errors import HpotoolError, InputError, NotFoundError, StudyFileError

GOOD = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_file_of_any_editor_is_read(mark: str, ends: str) -> None:
    Path("s.yaml").write_text(mark + GOOD.replace("\n", ends), encoding="utf-8", newline="")
    assert read_study(Path("s.yaml"), None).name == "s"


def test_overrides_are_applied() -> None:
    Path("s.yaml").write_text(GOOD)
    assert read_study(Path("s.yaml"), ["budget.trials=7", "study=other"]).budget.trials == 7
    with pytest.raises(StudyFileError, match="budgt"):
        read_study(Path("s.yaml"), ["budgt.trials=7"])


@pytest.mark.parametrize(
    ("there", "asked", "hint"),
    [
        (
            [],
            "s.yaml",
            "write one from a script or an example: hpotool init train.py, hpotool init --example quadratic",
        ),
        (["study.yaml"], "study.yml", "did you mean study.yaml?"),
        (["study.yaml"], "stduy.yaml", "did you mean study.yaml?"),
        (["study.yaml"], "zz.yml", "the YAML files there: study.yaml"),
        (
            [f"{n}.yaml" for n in range(9)],
            "zzzz.toml",
            "the YAML files there: 0.yaml, 1.yaml, 2.yaml, 3.yaml, 4.yaml",
        ),
        (["notes.txt"], "s.yaml", "write one from a script or an example"),
        (["A.YML"], "a.yml", "A.YML"),
    ],
)
def test_a_file_that_is_not_there_is_answered_with_those_that_are(there: list[str], asked: str, hint: str) -> None:
    for name in there:
        Path(name).touch()
    with pytest.raises(NotFoundError, match="does not exist") as missing:
        read_study(Path(asked), None)
    assert hint in (missing.value.hint or "")


def test_a_folder_that_is_not_there_has_no_files() -> None:
    with pytest.raises(NotFoundError, match=r"none/s\.yaml does not exist") as missing:
        read_study(Path("none/s.yaml"), None)
    assert (missing.value.hint or "").startswith("write one")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("train.py", b"print(1)", "train.py is no study file, which is YAML"),
        ("TRAIN.PY", b"print(1)", "is no study file"),
        ("run.sh", b"echo", "is no study file"),
        ("n.ipynb", b"{}", "is no study file"),
        ("t.csv", b"a,b", "is no study file"),
        ("s.yaml", b"\xff\xfe", "the study file s.yaml is not UTF-8 text"),
    ],
)
def test_another_kind_of_file_is_called_so(name: str, content: bytes, says: str) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(InputError, match=says) as refused:
        read_study(Path(name), None)
    assert refused.value.hint


def test_a_folder_is_no_file() -> None:
    Path("folder.yaml").mkdir()
    with pytest.raises(InputError, match="cannot be read: Is a directory") as refused:
        read_study(Path("folder.yaml"), None)
    assert refused.value.hint == "ls -ld folder.yaml"


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- b\n", "study", "study: [", "\t", "{}", "null"])
def test_what_is_no_study_is_refused_with_its_place(text: str) -> None:
    Path("s.yaml").write_text(text)
    with pytest.raises(HpotoolError) as refused:
        read_study(Path("s.yaml"), None)
    assert refused.value.message.startswith("s.yaml")
    assert refused.value.exit_code == 2
