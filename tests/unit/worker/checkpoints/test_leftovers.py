"""What nobody needs any more is found, and nothing that somebody still does."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from hpotool.storage.control.lineages import StudyOnDisk
from hpotool.study.spec import MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.checkpoints.leftovers import (
    Leftover,
    Rules,
    find_checkpoints,
    find_copies,
    find_half_written,
    find_logs,
    find_remote_checkpoints,
    find_scratch,
    studies_on_disk,
)
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.checkpoints.store import CheckpointStore
from hpotool.worker.child.command import report_socket
from hpotool.worker.child.command.report_socket import ReportSocket

STATES = {0: frozenset({"COMPLETE"}), 1: frozenset({"FAIL"}), 2: frozenset({"FAIL", "RUNNING"})}
OVER = StudyOnDisk("s", True, frozenset({"alive"}), STATES)
OPEN = StudyOnDisk("s", False, OVER.living_workers, OVER.states)
OLD = Rules(timedelta(hours=5))


def make(path: Path, hours_old: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("12345")
    for each in (path, path.parent):
        os.utime(each, times=(time.time() - hours_old * 3600,) * 2)
    return path


def names(found: list[Leftover]) -> list[str]:
    return [each.name for each in found]


@pytest.mark.parametrize("is_all", [False, True])
def test_checkpoints_of_what_failed_for_good_go_and_of_the_rest_only_if_asked(
    tmp_path: Path, is_all: bool
) -> None:
    """Of trial 3 the study knows nothing: it was deleted there."""
    for number in range(4):
        make(tmp_path / "s" / f"trial-{number:05d}" / "step-1")
    make(tmp_path / "s" / "of-somebody-else" / "file")
    found = list(find_checkpoints(tmp_path, OVER, Rules(all_checkpoints=is_all)))
    assert names(found) == [*(["trial-00000"] if is_all else []), "trial-00001", "trial-00003"]
    for leftover in found:
        assert leftover.size == 5
        leftover.remove()
    left = {path.name for path in (tmp_path / "s").iterdir()}
    assert left == {"of-somebody-else", "trial-00002", *([] if is_all else ["trial-00000"])}


def test_nothing_of_an_open_study_s_checkpoints_goes(tmp_path: Path) -> None:
    make(tmp_path / "s" / "trial-00001" / "step-1")
    assert list(find_checkpoints(tmp_path, OPEN, Rules())) == []


def test_what_a_killed_worker_left_half_done_goes_after_an_hour(tmp_path: Path) -> None:
    make(tmp_path / "s" / ".removing-trial-00000-ab" / "step-1", hours_old=2)
    make(tmp_path / "s" / ".removing-trial-00000-cd" / "step-1")
    assert names(list(find_checkpoints(tmp_path, OVER, Rules()))) == [".removing-trial-00000-ab"]


def test_a_link_in_place_of_a_study_s_folder_is_left_alone(tmp_path: Path) -> None:
    make(tmp_path / "elsewhere" / "trial-00001" / "step-1")
    (tmp_path / "s").symlink_to(tmp_path / "elsewhere")
    assert list(find_checkpoints(tmp_path, OVER, Rules())) == []


def test_logs_go_but_for_a_living_worker_s_import(tmp_path: Path) -> None:
    logs = tmp_path / "logs" / "s"
    make(logs / "alive" / "import.log")
    make(logs / "alive" / "trial-00000-a.log")
    gone = make(logs / "gone" / "import.log")
    found = list(find_logs(tmp_path, OVER, Rules()))
    assert names(found) == ["trial-00000-a.log", "import.log"]
    found[1].remove()
    assert not gone.parent.exists()
    assert names(list(find_logs(tmp_path, OVER, Rules(), workers=["gone"]))) == []


def test_of_an_open_study_only_old_logs_go_and_only_when_an_age_is_given(tmp_path: Path) -> None:
    make(tmp_path / "logs" / "s" / "gone" / "trial-00000-a.log", hours_old=9)
    make(tmp_path / "logs" / "s" / "gone" / "trial-00001-a.log")
    assert list(find_logs(tmp_path, OPEN, Rules())) == []
    assert names(list(find_logs(tmp_path, OPEN, OLD))) == ["trial-00000-a.log"]


def test_copies_of_what_still_runs_stay(tmp_path: Path) -> None:
    for number in range(3):
        make(tmp_path / "checkpoint-copies" / "s" / f"trial-{number:05d}" / "step-1")
    assert names(list(find_copies(tmp_path, OVER, Rules()))) == ["trial-00000", "trial-00001"]
    assert list(find_copies(tmp_path, OPEN, Rules())) == []


def test_of_the_spool_only_what_was_begun_long_ago_goes(tmp_path: Path) -> None:
    make(tmp_path / "a.json", 9)
    make(tmp_path / "b.new", 9)
    make(tmp_path / "c.writing", 9)
    make(tmp_path / "d.new")
    assert names(list(find_half_written(tmp_path, Rules()))) == ["b.new", "c.writing"]


def test_an_age_is_that_of_the_newest_thing_directly_in_it(tmp_path: Path) -> None:
    old = make(tmp_path / "folder" / "file", 9).parent
    assert OLD.is_old(old)
    assert not Rules(timedelta(hours=10)).is_old(old)
    (old / "new").touch()
    os.utime(old, times=(0, 0))
    assert not OLD.is_old(old)
    assert Rules().is_old(old)


def test_each_study_that_left_anything_is_known(tmp_path: Path) -> None:
    make(tmp_path / "logs" / "a" / "w" / "x.log")
    make(tmp_path / "checkpoints" / "b" / "trial-00000" / "step-1")
    make(tmp_path / "checkpoint-copies" / "a" / "trial-00000" / "step-1")
    assert studies_on_disk(tmp_path) == {"a", "b"}


def test_at_a_url_the_same_lineages_go_as_on_a_disk(tmp_path: Path) -> None:
    spec = StudySpec("s", ObjectiveSpec(python="m:f"), (MetricSpec("loss", "minimize"),))
    location = CheckpointLocation.parse(f"file://{tmp_path}/kept")
    store = CheckpointStore(location, spec, tmp_path / "copies")
    for number in range(3):
        make(tmp_path / "kept" / "s" / f"trial-{number:05d}" / "step-1")
    everything = Rules(None)
    found = list(find_remote_checkpoints(store, OVER, everything))
    assert names(found) == ["trial-00001"], "it failed for good"
    assert list(find_remote_checkpoints(store, OPEN, everything)) == [], "the study may go on"
    assert list(find_remote_checkpoints(store, OVER, OLD)) == [], "ages are not known there"
    assert found[0].size == 5
    found[0].remove()
    assert names(list(find_remote_checkpoints(store, OVER, everything))) == []
    here = CheckpointStore(CheckpointLocation.parse(str(tmp_path / "kept")), spec, tmp_path / "copies")
    assert list(find_remote_checkpoints(here, OVER, everything)) == []


def test_a_commands_folder_goes_when_nobody_listens_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_socket, "_SHORT_FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(report_socket.tempfile, "gettempdir", lambda: str(tmp_path))
    living, dead, other = (tmp_path / f"hpotool-{name}" for name in ("living", "dead", "other"))
    for folder in (living, dead, other):
        folder.mkdir()
    (tmp_path / "hpotool-link").symlink_to(dead)
    listening, gone = ReportSocket(living, lambda _: None), ReportSocket(dead, lambda _: None)
    gone.close()
    for folder in (living, dead, other):
        os.utime(folder, times=(time.time() - 86400,) * 2)
        for entry in folder.iterdir():
            os.utime(entry, times=(time.time() - 86400,) * 2)
    assert names(list(find_scratch(Rules(timedelta(hours=5))))) == ["hpotool-dead"]
    assert names(list(find_scratch(Rules(timedelta(days=9))))) == []
    listening.close()
