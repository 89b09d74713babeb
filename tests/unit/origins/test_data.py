from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.origins import data as data_module
from hpotool.origins.data import URLS_EVERY_S, DataReader
from hpotool.origins.hash_cache import HashCache
from hpotool.origins.remote import UnknownContentError


def _reader(tmp_path: Path, *paths: str, **more: object) -> DataReader:
    return DataReader(paths, HashCache(tmp_path / "cache"), tmp_path, **more)  # type: ignore[arg-type]


def test_files_folders_and_dvc_files_are_read_by_the_names_of_the_study_file(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "rows.csv").write_text("1")
    (tmp_path / "valid.dvc").write_text("outs: [{md5: abc, path: valid}]")
    part = _reader(
        tmp_path, "train", "train/rows.csv", "valid.dvc", "${D}/rows.csv", environment={"D": "train"}
    ).read()
    assert part is not None
    assert part.content["valid.dvc"]["hash"] == "abc"
    assert part.content["${D}/rows.csv"] == part.content["train/rows.csv"]
    assert part.content["train"]["count"] == 1
    assert part.missing == []


def test_what_cannot_be_read_is_part_of_the_answer(tmp_path: Path) -> None:
    (tmp_path / "broken.dvc").write_text("x")
    (tmp_path / "file").write_text("x")
    part = _reader(tmp_path, "none", "${UNSET}/x", "broken.dvc", "file/x", environment={}).read()
    assert part is not None
    troubles = {path: entry["trouble"] for path, entry in part.content.items()}
    assert troubles["none"] == "it is not there"
    assert "variable" in troubles["${UNSET}/x"]
    assert "no .dvc file" in troubles["broken.dvc"]
    assert "cannot be read" in troubles["file/x"]
    assert part.missing == list(part.content)


def test_a_study_without_data_has_none(tmp_path: Path) -> None:
    assert _reader(tmp_path).read() is None
    assert _reader(tmp_path).stamp() == []


def test_local_paths_are_those_that_are_no_urls(tmp_path: Path) -> None:
    reader = _reader(tmp_path, "a", "s3://b/c", "${NONE}", environment={})
    assert reader.local_paths() == [tmp_path / "a"]


def test_a_server_is_asked_seldom_and_one_that_is_away_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[object] = [
        UnknownContentError("away"),
        {"hash": "1"},
        UnknownContentError("away"),
        {"hash": "2"},
    ]

    def answer(url: str) -> object:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(data_module, "read_url", answer)
    now = [0.0]
    reader = _reader(tmp_path, "https://host/x", clock=lambda: now[0])
    assert reader.stamp() == [{"trouble": "away"}]
    assert reader.stamp() == [{"trouble": "away"}], "not asked again yet"
    found = []
    for _ in range(3):
        now[0] += URLS_EVERY_S
        found.append(reader.stamp())
    assert found == [[{"hash": "1"}], [{"hash": "1"}], [{"hash": "2"}]]
