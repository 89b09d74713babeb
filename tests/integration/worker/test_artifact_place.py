"""Artifacts in a folder and at a URL, on a real S3 server that goes away and comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from hpotool.errors import CheckpointStoreError, HpotoolError, InputError, NotFoundError
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.checkpoints.store_calls import Patience
from hpotool.worker.final_training.artifact_place import ArtifactPlace
from hpotool.worker.final_training.keeper import list_files
from tests.object_store import ObjectStore, object_store

QUICK = Patience(call=20, at_start=0.5, at_end=0.5, first_pause=0.1, longest_pause=0.2)
LONG = Patience(call=20, at_start=120, at_end=120, first_pause=0.1, longest_pause=0.2)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    with object_store() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        fsspec.filesystem("s3").clear_instance_cache()
        monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)  # on top of those that are tested here
        yield store


@pytest.fixture(params=["s3", "memory", "file", "folder"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return f"{request.getfixturevalue('s3').url}/models/digits"
    if request.param == "folder":
        return str(tmp_path / "kept")
    return f"{request.param}://{tmp_path}/kept"


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    folder = tmp_path / "trained"
    (folder / "deep").mkdir(parents=True)
    (folder / "model.pt").write_bytes(b"weights" * 100_000)
    (folder / "deep" / "ü #1.txt").write_text("words")
    (folder / "empty").touch()
    return folder


def place(where: str, patience: Patience = QUICK) -> ArtifactPlace:
    return ArtifactPlace(CheckpointLocation.parse(where), patience)


def test_what_is_put_is_fetched_as_it_was(where: str, trained: Path, tmp_path: Path) -> None:
    place(where).check_writable()
    place(where).put(trained)
    fetched = place(where).fetch(list_files(trained), tmp_path / "fetched")
    assert list_files(tmp_path / "fetched") == list_files(trained)
    assert sorted(path.relative_to(tmp_path / "fetched").as_posix() for path in fetched) == [
        "deep/ü #1.txt",
        "empty",
        "model.pt",
    ]
    place(where).put(trained)  # a second training in the same place
    assert place(where).name.startswith(where.rpartition("/")[0][:5])


def test_what_has_changed_or_is_gone_is_said_and_no_half_of_it_is_left(
    where: str, trained: Path, tmp_path: Path
) -> None:
    place(where).put(trained)
    files = list_files(trained)
    (trained / "model.pt").write_bytes(b"other")
    place(where).put(trained)
    target = tmp_path / "fetched"
    with pytest.raises(HpotoolError, match=r"model\.pt in .* is not the file that was kept"):
        place(where).fetch(files, target)
    assert not list(target.glob("*model.pt*"))
    with pytest.raises(NotFoundError, match="there is no gone in "):
        place(where).fetch([{"name": "gone", "bytes": 1, "sha256": ""}], target)
    assert not list(target.glob("*gone*"))


@pytest.mark.parametrize("name", ["../model.pt", "/etc/passwd", "a/../../b"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="leads out of the folder"):
        place(str(tmp_path)).fetch([{"name": name, "bytes": 1, "sha256": ""}], tmp_path / "fetched")


def test_a_store_that_is_away_is_waited_for(s3: ObjectStore, trained: Path, tmp_path: Path) -> None:
    url = f"{s3.url}/models"
    place(url).put(trained)
    for act in (
        lambda: place(url, LONG).put(trained),
        lambda: place(url, LONG).fetch(list_files(trained), tmp_path / "fetched"),
    ):
        s3.go_away()
        back = threading.Timer(1.0, s3.come_back)
        back.start()
        act()
        back.join()
    assert list_files(tmp_path / "fetched") == list_files(trained)


def test_a_store_that_stays_away_is_refused_before_the_training_and_an_error_after_it(
    s3: ObjectStore, trained: Path
) -> None:
    url = f"{s3.url}/models"
    kept = place(url)
    s3.go_away()
    with pytest.raises(InputError, match=r"--artifacts: s3://.* cannot be written: "):
        kept.check_writable()
    with pytest.raises(CheckpointStoreError):
        kept.put(trained)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        place(str(tmp_path / "file" / "below")).check_writable()
