"""Checkpoints on a real S3 server that goes away, hangs and comes back, and on stores that misbehave."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import optuna
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from hpotool.errors import CheckpointStoreError
from hpotool.study.outcome import Outcome
from hpotool.study.spec import KeepSpec, MetricSpec, ObjectiveSpec, StudySpec
from hpotool.worker.attempt.runner import AttemptRunner
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.checkpoints.store import CheckpointStore
from hpotool.worker.checkpoints.store_calls import Patience
from tests.object_store import ObjectStore, object_store

SPEC = StudySpec("a/b c", ObjectiveSpec(python="m:f"), (MetricSpec("loss", "minimize"),), keep=KeepSpec(2))
QUICK = Patience(call=20, at_start=0.5, at_end=0.5, every=0.1, first_pause=0.1, longest_pause=0.2)
ODD_NAMES = ("a b", "ü?*[x]#%41", "\udcff", "=3D", " lead", "trail ", ".hidden", "x" * 250, "a/b", "back\\slash")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    with object_store() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        fsspec.filesystem("s3").clear_instance_cache()
        monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)  # on top of those that are tested here
        yield store


@pytest.fixture(params=["s3", "memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return str(request.getfixturevalue("s3").url)
    return f"{request.param}://{tmp_path}/shared"


def store(url: str, machine: Path, patience: Patience = QUICK, spec: StudySpec = SPEC) -> CheckpointStore:
    return CheckpointStore(CheckpointLocation.parse(url), spec, machine, patience)


def found(url: str, machine: Path, root: int = 7) -> dict[str, str]:
    """What an attempt on a new machine finds."""
    with store(url, machine).attempt(root) as folder:
        return {
            path.relative_to(folder).as_posix(): path.read_text()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


def save(folder: Path, content: str, names: tuple[str, ...] = ("one", "two", "three")) -> None:
    for name in names:
        path = folder / "step-000000001" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_odd_names_empty_folders_and_links_arrive_as_they_were(url: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("data")
    with store(url, tmp_path / "one").attempt(7) as folder:
        save(folder, "x", ODD_NAMES)
        step = folder / "step-000000001"
        (step / "nothing").touch()
        (step / "empty" / "folder").mkdir(parents=True)
        (step / "link").symlink_to("a b")
        (step / "folder").symlink_to("a")
        (step / "outside").symlink_to(outside)
        (step / "nowhere").symlink_to("/nowhere/at/all")
    with store(url, tmp_path / "two").attempt(7) as folder:
        step = folder / "step-000000001"
        assert {name for name in ODD_NAMES if (step / name).read_text() == "x"} == set(ODD_NAMES)
        assert (step / "nothing").stat().st_size == 0
        assert (step / "empty" / "folder").is_dir()
        assert [str((step / name).readlink()) for name in ("link", "folder")] == ["a b", "a"]
        assert not (step / "outside").is_symlink()
        assert (step / "outside").read_text() == "data"


@pytest.mark.parametrize("point", ["copy.begun", "copy.sent", "copy.whole", "copy.named", "fetch.whole"])
def test_an_attempt_that_is_killed_while_it_copies_leaves_a_whole_copy(
    point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed by SIGKILL at each point of a copy; then a retry on that machine copies, and a third one resumes."""
    url = f"file://{tmp_path}/shared"
    with store(url, tmp_path / "one").attempt(7, number=7) as folder:
        save(folder, "first")
    machine = tmp_path / ("new" if point == "fetch.whole" else "one")
    if (pid := os.fork()) == 0:
        monkeypatch.setattr("hpotool.faults._PLANNED", f"{point}:kill:{tmp_path}")
        with store(url, machine).attempt(7, number=8) as folder:
            save(folder, "second")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    contents = found(url, tmp_path / "looking")
    assert len(contents) == 3
    assert set(contents.values()) == {"second" if point in ("copy.whole", "copy.named") else "first"}
    with store(url, machine).attempt(7, number=9) as folder:
        # What the killed attempt had saved on this machine is newer than what is at the URL.
        own = {path.read_text() for path in (folder / "step-000000001").iterdir()}
        assert own == {"first" if point == "fetch.whole" else "second"}
        save(folder, "third", ("one",))
        (folder / "step-000000001" / "two").unlink()
    contents = found(url, tmp_path / "later")
    assert sorted(contents) == ["step-000000001/one", "step-000000001/three"]
    assert contents["step-000000001/one"] == "third"
    names = {path.name.removesuffix(".json") for path in (tmp_path / "shared").rglob("copy-*")}
    assert len(names) == 1, "what was begun and what is old is removed"


def test_an_attempt_that_lost_its_trial_does_not_overwrite_the_later_ones_copy(url: str, tmp_path: Path) -> None:
    with store(url, tmp_path / "one").attempt(7, number=7) as old:
        save(old, "old")
        with store(url, tmp_path / "two").attempt(7, number=9) as new:
            save(new, "new")
        save(old, "old but later")
        remote = CheckpointStore(CheckpointLocation.parse(url), SPEC, tmp_path).remote
        assert remote is not None
        # As if it had read what is newest before the later one named its copy, and named its own after that.
        remote._write("trial-00007/newest", "copy-000009-00007-abcdef00")
    assert set(found(url, tmp_path / "three").values()) == {"new"}


def test_what_could_not_be_sent_is_resumed_here_and_sent_later(s3: ObjectStore, tmp_path: Path) -> None:
    with store(s3.url, tmp_path / "one").attempt(7, number=7) as folder:
        save(folder, "old")
    with store(s3.url, tmp_path / "one").attempt(7, number=8) as folder:
        save(folder, "newer, and never sent")
        s3.go_away()
    s3.come_back()
    assert set(found(s3.url, tmp_path / "two").values()) == {"old"}
    with store(s3.url, tmp_path / "one").attempt(7, number=10) as folder:
        assert (folder / "step-000000001" / "one").read_text() == "newer, and never sent"


def test_what_was_left_unsent_is_not_sent_when_somebody_else_went_on(s3: ObjectStore, tmp_path: Path) -> None:
    machine = store(s3.url, tmp_path / "one")
    with machine.attempt(7, number=7) as folder:
        save(folder, "old")
    with machine.attempt(7, number=8) as folder:
        save(folder, "never sent")
        s3.go_away()
    s3.come_back()
    other = store(s3.url, tmp_path / "two")
    with other.attempt(7, number=9) as folder:
        save(folder, "newer")
    other.finish(7, None)
    with machine.attempt(8, number=10):
        wait_until(lambda: not CheckpointStore.is_unsent(tmp_path / "one" / "a%2Fb%20c" / "trial-00007"))
    assert found(s3.url, tmp_path / "three") == {}


def test_what_was_left_unsent_is_sent_with_its_result_by_the_next_attempt(
    s3: ObjectStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine = store(s3.url, tmp_path / "one")
    with machine.attempt(7) as folder:
        save(folder, "best")
        s3.go_away()
    machine.finish(7, (0.1,))  # raises nothing
    s3.come_back()
    local = tmp_path / "one" / "a%2Fb%20c" / "trial-00007"
    with machine.attempt(8):
        wait_until(lambda: not local.exists())
    assert set(found(s3.url, tmp_path / "two").values()) == {"best"}
    assert caplog.text.count("trouble with the checkpoints") == 1, "it is told once, and not per try"
    assert "endpoint URL" in caplog.text
    assert "is back after" in caplog.text


def test_a_store_that_is_away_at_the_start_is_waited_for(s3: ObjectStore, tmp_path: Path) -> None:
    with store(s3.url, tmp_path / "one").attempt(7) as folder:
        save(folder, "before")
    s3.go_away()
    threading.Timer(1.0, s3.come_back).start()
    with store(s3.url, tmp_path / "two", Patience(at_start=60, first_pause=0.1)).attempt(7) as folder:
        assert (folder / "step-000000001" / "one").read_text() == "before"


@pytest.mark.parametrize("how", ["refuses", "hangs"])
def test_a_store_that_stays_away_hands_the_attempt_back(how: str, s3: ObjectStore, tmp_path: Path) -> None:
    """Not an error, which is never retried, and not a start from the beginning."""
    (tmp_path / "study_code.py").write_text("def objective(trial):\n    return 1.0\n")
    spec = StudySpec("s", ObjectiveSpec(python="study_code:objective", isolation="none"), SPEC.metrics)
    patience = Patience(call=0.5, at_start=0.5, at_end=0.1, first_pause=0.1)
    runner = AttemptRunner(
        spec,
        tmp_path / "logs",
        checkpoints=CheckpointStore(CheckpointLocation.parse(s3.url), spec, tmp_path, patience),
    )
    s3.go_away() if how == "refuses" else s3.proxy.cut()
    result = runner.run(optuna.create_study().ask())
    assert result.outcome is Outcome.PREEMPTED
    assert result.reason is not None
    assert result.reason.startswith(f"its checkpoints are not available: {s3.url}")


def test_an_attempt_that_is_told_to_stop_waits_for_no_store(s3: ObjectStore, tmp_path: Path) -> None:
    s3.proxy.cut()
    started = time.monotonic()
    patience = Patience(call=200, at_start=200)
    attempt = store(s3.url, tmp_path, patience).attempt(7, is_hurried=lambda: time.monotonic() > started + 0.2)
    with pytest.raises(CheckpointStoreError, match="does not answer"), attempt:
        pass
    assert time.monotonic() - started < 100


def wait_until(condition: Any, patience_s: float = 60.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class HttpError(Exception):
    """As gcsfs has one: no OSError."""


class BadStore(MemoryFileSystem):
    """Refuses a file, lists what was there long ago, and raises what it likes."""

    protocol = "bad"
    refused = ""
    lists_nothing = False

    def put_file(self, lpath: Any, rpath: Any, **options: Any) -> None:
        if self.refused and self.refused in str(rpath):
            raise HttpError("Forbidden, 403")
        super().put_file(lpath, rpath, **options)

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        if self.lists_nothing:
            raise FileNotFoundError(path)
        return super().ls(path, detail, **options)


@pytest.fixture
def bad(tmp_path: Path) -> BadStore:
    return BadStore(skip_instance_cache=True)


def test_a_store_that_refuses_one_file_keeps_the_whole_copy_before(
    bad: BadStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    location = CheckpointLocation(f"/{tmp_path.name}/refusing", bad)
    with CheckpointStore(location, SPEC, tmp_path / "one", QUICK).attempt(7) as folder:
        save(folder, "whole")
    bad.refused = "two"
    with CheckpointStore(location, SPEC, tmp_path / "one", QUICK).attempt(7) as folder:
        save(folder, "half")
    with CheckpointStore(location, SPEC, tmp_path / "two", QUICK).attempt(7) as folder:
        assert [path.read_text() for path in (folder / "step-000000001").iterdir()] == ["whole"] * 3
        bad.refused = ""
        save(folder, "whole again")
    copies = [path for path in bad.ls(f"{location.path}/a%2Fb%20c/trial-00007", detail=False) if "copy" in path]
    assert len(copies) == 2, "one copy and its manifest: what was begun in vain is gone"
    assert "HttpError: Forbidden, 403" in caplog.text


def test_a_store_that_lists_nothing_of_what_it_holds_is_read_by_names(bad: BadStore, tmp_path: Path) -> None:
    location = CheckpointLocation(f"/{tmp_path.name}/stale", bad)
    bad.lists_nothing = True
    for content in ("first", "second"):
        with CheckpointStore(location, SPEC, tmp_path / content, QUICK).attempt(7) as folder:
            save(folder, content)
    with CheckpointStore(location, SPEC, tmp_path / "three", QUICK).attempt(7) as folder:
        assert [path.read_text() for path in (folder / "step-000000001").iterdir()] == ["second"] * 3


def test_a_copy_that_the_store_lost_a_file_of_is_not_taken(tmp_path: Path, caplog: Any) -> None:
    url = f"file://{tmp_path}/shared"
    with store(url, tmp_path / "one").attempt(7) as folder:
        save(folder, "x")
    [lost] = (tmp_path / "shared").rglob("two")
    lost.unlink()
    assert found(url, tmp_path / "two") == {}
    assert "is whole; trial 7 starts from scratch" in caplog.text


def test_a_manifest_that_leads_out_of_its_folder_is_not_followed(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/shared"
    for number, evil in enumerate(('"../evil": 1', '"/evil": 1', '"a/../../evil": 1')):
        with store(url, tmp_path / "one").attempt(number) as folder:
            save(folder, "x")
        [manifest] = (tmp_path / "shared").rglob(f"trial-{number:05d}/copy-*.json")
        manifest.write_text(manifest.read_text().replace('"files": {', '"files": {' + evil + ", "))
        assert found(url, tmp_path / "two", number) == {}
    assert not list(tmp_path.rglob("evil"))


def test_keep_all_keeps_what_a_pruned_trial_left(url: str, tmp_path: Path) -> None:
    for best, kept in ((None, 3), (2, 0)):
        spec = StudySpec(f"s{best}", SPEC.objective, SPEC.metrics, keep=KeepSpec(best))
        machine = store(url, tmp_path / f"{best}", spec=spec)
        with machine.attempt(7) as folder:
            save(folder, "pruned")
        machine.finish(7, None)
        with store(url, tmp_path / f"other-{best}", spec=spec).attempt(7) as folder:
            assert len(list(folder.rglob("step-*/*"))) == kept


def test_keep_best_removes_the_others_at_the_url_and_the_copies_here(url: str, tmp_path: Path) -> None:
    machine = store(url, tmp_path / "one")
    for root, loss in enumerate((3.0, 1.0, 2.0, 4.0)):
        with machine.attempt(root) as folder:
            save(folder, "x")
        machine.finish(root, (loss,))
    assert [bool(found(url, tmp_path / "two", root)) for root in range(4)] == [False, True, True, False]
    assert not list((tmp_path / "one").rglob("trial-*"))


def test_a_place_that_is_known_to_be_away_is_not_waited_for_again_and_again(tmp_path: Path) -> None:
    """Each further trial took half a minute longer at its end."""
    (tmp_path / "a-file").touch()
    patience = Patience(at_start=0, at_end=2, every=60, first_pause=0.01, longest_pause=10)
    tries: list[int] = []

    class Unwritable(CheckpointStore):
        def _send(self, *arguments: Any, **options: Any) -> None:
            tries.append(1)
            raise CheckpointStoreError("the place is away")

    away = Unwritable(CheckpointLocation.parse(f"file://{tmp_path}/shared"), SPEC, tmp_path / "machine", patience)
    for root in (1, 2, 3):
        tries.clear()
        with away.attempt(root) as folder:
            save(folder, "x")
        assert len(tries) > 4 if root == 1 else len(tries) <= 2, "at the end once, and what was left before once"
