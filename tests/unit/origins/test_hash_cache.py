from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from hpotool.origins.files import walk_files
from hpotool.origins.hash_cache import HashCache, hash_content


class Counting(list[str]):
    """The files that were really read."""

    def __call__(self, path: Path) -> str:
        self.append(path.name)
        return hash_content(path)


def _folder(tmp_path: Path, *names: str) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)
        _age(folder / name)
    return folder


def _age(path: Path) -> None:
    """As if it had been written a while ago. The time of the entry cannot be set: see ``later``."""
    os.utime(path, (1, 1))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    monkeypatch.setattr("hpotool.origins.hash_cache.time.time_ns", lambda: now + 60_000_000_000)


@pytest.mark.usefixtures("later")
def test_a_file_is_read_once_while_its_size_and_times_stay(tmp_path: Path) -> None:
    folder, reads = _folder(tmp_path, "a", "b"), Counting()
    cache = HashCache(tmp_path / "cache", reads)
    first = cache.hash_files(folder, walk_files(folder))
    assert first == {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a", "b")}
    assert HashCache(tmp_path / "cache", reads).hash_files(folder, walk_files(folder)) == first
    assert sorted(reads) == ["a", "b"]

    (folder / "a").write_text("A")  # the same size
    assert cache.hash_files(folder, walk_files(folder)) != first
    assert sorted(reads) == ["a", "a", "b"]


def test_a_file_written_just_now_is_not_trusted(tmp_path: Path) -> None:
    folder, reads = _folder(tmp_path, "a"), Counting()
    cache = HashCache(tmp_path / "cache", reads)
    for _ in range(2):
        cache.hash_files(folder, walk_files(folder))
    assert reads == ["a", "a"], "it may change again within the tick of the file system's clock"


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("damage", ["", "[1]", '{"a": [1]}', '{"a": 5}', "\0"])
def test_a_damaged_cache_costs_time_and_nothing_else(tmp_path: Path, damage: str) -> None:
    folder, cache = _folder(tmp_path, "a"), HashCache(tmp_path / "cache")
    right = cache.hash_files(folder, walk_files(folder))
    [store] = (tmp_path / "cache").glob("*.json")
    store.write_text(damage)
    assert cache.hash_files(folder, walk_files(folder)) == right


def test_a_folder_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    folder, blocked = _folder(tmp_path, "a"), tmp_path / "file"
    blocked.write_text("")
    assert HashCache(blocked / "cache").hash_files(folder, walk_files(folder)).keys() == {"a"}


@pytest.mark.usefixtures("later")
def test_workers_that_start_together_read_a_folder_once(tmp_path: Path) -> None:
    folder, reads = _folder(tmp_path, *"abcdefgh"), Counting()
    caches = [HashCache(tmp_path / "cache", reads) for _ in range(4)]
    threads = [threading.Thread(target=each.hash_files, args=(folder, walk_files(folder))) for each in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reads) == list("abcdefgh")
