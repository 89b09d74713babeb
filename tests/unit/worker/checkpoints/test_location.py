"""What ``--checkpoints`` may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.errors import InputError
from hpotool.worker.checkpoints.location import CheckpointLocation


def test_a_folder_is_made_absolute_and_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert CheckpointLocation.parse("kept").path == str(tmp_path / "kept")
    assert CheckpointLocation.parse("~/kept").path == str(tmp_path / "home/kept")
    assert CheckpointLocation.parse("/a/b").name == "/a/b"
    assert CheckpointLocation.parse("a:b").remote is None, "only a scheme makes a URL"


def test_a_url_is_read_by_its_package_and_named_as_a_url() -> None:
    found = CheckpointLocation.parse("memory://bucket/kept/")
    assert found.remote is not None
    assert found.path.endswith("bucket/kept")
    assert found.name.startswith("memory://")


@pytest.mark.parametrize("url", ["nosuch://user:hunter2@bucket/kept", "nosuch://bucket"])
def test_a_url_that_nothing_can_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InputError, match="cannot be used") as error:
        CheckpointLocation.parse(url)
    assert "hunter2" not in str(error.value)
