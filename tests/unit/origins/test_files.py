from __future__ import annotations

import os
from pathlib import Path

import pytest

from hpotool.origins.files import MOST_LISTED, fold, read_path, stamp_path, walk_files
from hpotool.origins.hash_cache import HashCache, hash_content


@pytest.fixture
def cache(tmp_path: Path) -> HashCache:
    return HashCache(tmp_path / "cache")


def _tree(root: Path) -> Path:
    (root / "deep").mkdir(parents=True)
    (root / "a.csv").write_text("1")
    (root / "deep" / "b.csv").write_text("22")
    return root


def test_a_folder_is_the_names_and_contents_in_it_wherever_it_lies(tmp_path: Path, cache: HashCache) -> None:
    one, other = (read_path(_tree(tmp_path / name), cache) for name in ("one", "other"))
    assert one == other
    assert (one["count"], one["bytes"], set(one["files"])) == (2, 3, {"a.csv", "deep/b.csv"})
    (tmp_path / "other" / "a.csv").rename(tmp_path / "other" / "c.csv")
    assert read_path(tmp_path / "other", cache)["hash"] != one["hash"]


def test_a_file_is_its_content(tmp_path: Path, cache: HashCache) -> None:
    path = _tree(tmp_path / "one") / "a.csv"
    assert read_path(path, cache) == {"hash": hash_content(path), "bytes": 1}
    with pytest.raises(FileNotFoundError):
        read_path(tmp_path / "none", cache)


def test_the_order_in_which_files_were_found_does_not_matter() -> None:
    assert fold({"a": "1", "b/c": "2"}) == fold({"b/c": "2", "a": "1"})
    assert fold({"a": "1", "b": "2"}) != fold({"a": "2", "b": "1"})


def test_links_to_folders_are_followed_and_circles_end(tmp_path: Path, cache: HashCache) -> None:
    root = _tree(tmp_path / "one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "far.csv").write_text("3")
    (root / "link").symlink_to(tmp_path / "two")
    (root / "circle").symlink_to(root)
    (root / "broken").symlink_to(tmp_path / "nowhere")
    os.mkfifo(root / "pipe")
    assert [file.name for file in walk_files(root)] == ["a.csv", "deep/b.csv", "link/far.csv"]
    before = read_path(root, cache)["hash"]
    (tmp_path / "two" / "far.csv").write_text("44")
    assert read_path(root, cache)["hash"] != before


def test_a_name_that_is_no_text_is_hashed_like_any(tmp_path: Path, cache: HashCache) -> None:
    root = _tree(tmp_path / "one")
    (root / os.fsdecode(b"\xff.csv")).write_text("x")
    assert read_path(root, cache)["count"] == 3


def test_of_very_many_files_only_the_whole_is_kept(tmp_path: Path, cache: HashCache) -> None:
    root = tmp_path / "many"
    root.mkdir()
    for number in range(MOST_LISTED + 1):
        (root / str(number)).touch()
    found = read_path(root, cache)
    assert found["count"] == MOST_LISTED + 1
    assert "files" not in found


def test_a_stamp_changes_with_the_files_and_reads_none(tmp_path: Path) -> None:
    root = _tree(tmp_path / "one")
    before = stamp_path(root)
    assert stamp_path(root) == before
    os.utime(root / "a.csv", ns=(1, 1))
    touched = stamp_path(root)
    (root / "deep" / "b.csv").unlink()
    assert len({repr(one) for one in (before, touched, stamp_path(root))}) == 3
    assert stamp_path(tmp_path / "none") is None
