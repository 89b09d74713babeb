"""Artifacts come back as they were put, or somebody is told."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest

from hpotool.errors import HpotoolError, InputError, NotFoundError
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.final_training.artifact_place import ArtifactPlace, _say, hash_stream


@pytest.fixture
def place(tmp_path: Path) -> ArtifactPlace:
    made = tmp_path / "made"
    (made / "nested").mkdir(parents=True)
    (made / "model.bin").write_bytes(b"weights")
    (made / "nested" / "card.md").write_text("a model")
    place = ArtifactPlace(CheckpointLocation.parse(str(tmp_path / "kept")))
    place.put(made)
    return place


def entry(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@pytest.mark.parametrize("size", [0, 1, 2**20 - 1, 2**20, 2**20 + 1])
def test_a_hash_is_that_of_the_whole_content(size: int) -> None:
    content = b"ab" * (size // 2 + 1)
    assert hash_stream(io.BytesIO(content[:size])) == hashlib.sha256(content[:size]).hexdigest()


def test_a_hash_is_of_what_is_left_to_read() -> None:
    stream = io.BytesIO(b"read, left")
    stream.read(6)
    assert hash_stream(stream) == hashlib.sha256(b"left").hexdigest()


def test_what_was_put_is_fetched_with_its_folders(place: ArtifactPlace, tmp_path: Path) -> None:
    wanted = [entry("model.bin", b"weights"), entry("nested/card.md", b"a model"), {"name": "model.bin"}]
    found = place.fetch(wanted, tmp_path / "here")
    assert [path.relative_to(tmp_path / "here").as_posix() for path in found] == [
        "model.bin",
        "nested/card.md",
        "model.bin",
    ]
    assert found[1].read_text() == "a model"


def test_a_file_with_another_content_is_refused_and_leaves_nothing(place: ArtifactPlace, tmp_path: Path) -> None:
    with pytest.raises(HpotoolError, match=r"model\.bin in .* is not the file that was kept"):
        place.fetch([entry("model.bin", b"other weights")], tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("name", ["../model.bin", "/etc/passwd", "nested/../../model.bin"])
def test_a_name_that_leads_out_of_the_folder_is_refused(place: ArtifactPlace, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="leads out of the folder"):
        place.fetch([entry(name, b"weights")], tmp_path / "here")


def test_a_file_that_is_gone_is_said_with_its_place(place: ArtifactPlace, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=rf"there is no gone\.bin in {place.name}, a folder of the machine"):
        place.fetch([entry("gone.bin", b"")], tmp_path / "here")


def test_a_place_that_cannot_be_written_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"--artifacts: .* cannot be written: "):
        ArtifactPlace(CheckpointLocation.parse(str(tmp_path / "file"))).check_writable()
    ArtifactPlace(CheckpointLocation.parse(str(tmp_path / "new" / "folder"))).check_writable()


def test_an_error_of_the_system_is_said_without_its_number() -> None:
    assert _say(OSError(28, "No space left on device")) == "No space left on device"
    assert _say(OSError("odd")) == "odd"
    assert _say(ValueError("odd")) == "odd"
