from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from hpotool.errors import InputError
from hpotool.launch import code as module
from hpotool.launch.code import read_code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("x = 1")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "a b.py").write_text("y = 2")
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "run.sh").chmod(0o755)
    return tmp_path


def test_the_copy_is_the_code_and_names_nobody(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    code = read_code(folder)
    target = tmp_path_factory.mktemp("there")
    with tarfile.open(fileobj=io.BytesIO(code.packed())) as archive:
        assert {(entry.uname, entry.uid, entry.mtime) for entry in archive} == {("", 0, 0)}
        archive.extractall(target, filter="data")
    assert read_code(target).hash == code.hash
    assert json.loads(code.list_as_json()) == ["package/a b.py", "run.sh", "train.py"]


def test_far_more_than_code_is_refused_with_the_largest_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "data.bin").write_bytes(b"0" * 2000)
    monkeypatch.setattr(module, "LARGEST", 1000)
    with pytest.raises(InputError, match=r"the largest file is data\.bin"):
        read_code(folder)


def test_no_folder_and_an_empty_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        read_code(tmp_path / "gone")
    with pytest.raises(InputError, match="there is no code in"):
        read_code(tmp_path)
