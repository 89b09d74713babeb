from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.origins.data import DataReader
from hpotool.origins.hash_cache import HashCache
from hpotool.origins.origin import LARGEST_SHARE, OriginWatch, make_reader
from hpotool.study.spec import MetricSpec, ObjectiveSpec, StudySpec

SPEC = StudySpec(
    "s", ObjectiveSpec(command=("sh", "train.sh")), (MetricSpec("loss", "minimize"),), data=("rows.csv",)
)


class Clock:
    """Each look takes as long as the test says."""

    def __init__(self) -> None:
        self.now, self.step = 0.0, 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("1")
    (tmp_path / "train.sh").write_text("a")
    return tmp_path


def _watch(here: Path, clock: Clock) -> OriginWatch:
    return OriginWatch(SPEC, DataReader(SPEC.data, HashCache(here / "cache")), clock=clock)


def test_changes_of_data_and_of_a_commands_code_are_noticed_once(here: Path) -> None:
    watch = _watch(here, Clock())
    before = watch.origin
    assert not watch.has_changed()
    (here / "rows.csv").write_text("22")
    assert watch.has_changed()
    assert watch.origin.data != before.data
    assert watch.origin.code == before.code
    assert not watch.has_changed()
    (here / "train.sh").write_text("bb")
    assert watch.has_changed()
    assert watch.origin.code.hash != before.code.hash


def test_a_file_that_was_only_touched_is_no_change(here: Path) -> None:
    watch = _watch(here, Clock())
    (here / "rows.csv").write_text("1")
    assert not watch.has_changed()


def test_looking_costs_at_most_its_share_of_the_time(here: Path) -> None:
    clock = Clock()
    watch = _watch(here, clock)
    clock.step = 1.0  # a second between two readings of the clock: so long a look takes
    assert not watch.has_changed()
    (here / "rows.csv").write_text("22")
    clock.step = 0.0
    assert not watch.has_changed(), "not yet"
    clock.now += 1.0 / LARGEST_SHARE
    assert watch.has_changed()


def test_the_hashes_are_kept_below_the_home_folder(here: Path) -> None:
    make_reader(SPEC, here / "home").read()
    assert (here / "home" / "hashes").is_dir()
