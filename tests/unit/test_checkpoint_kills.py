"""`save_checkpoint` is killed before each thing that it does to the disk: what is found then is whole."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import hpotool

FILES = ("model.pt", "optimizer.pt", "nested/state.json")
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "tempfile.mkdtemp", "shutil.rmtree")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPOTOOL_CHECKPOINT_DIR", str(tmp_path / "trial"))
    monkeypatch.setenv("HPOTOOL_KEEP_CHECKPOINTS", "1")
    return tmp_path / "trial"


def save(step: int, content: str) -> None:
    with hpotool.save_checkpoint(step) as folder:
        for name in FILES:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(content)


def killed_at(count: int, work: Callable[[], None]) -> bool:
    """Do the work in a child that is killed before its change number ``count``; whether it was."""
    if (pid := os.fork()) == 0:
        left = [count]

        def watch(event: str, _: object) -> None:
            if event in CHANGES:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def whole_content(checkpoint: Path | None) -> str:
    assert checkpoint is not None
    [content] = {(checkpoint / name).read_text() for name in FILES}
    return content


@pytest.mark.parametrize("step", [3, 4])
def test_a_save_that_is_killed_anywhere_leaves_a_whole_checkpoint(folder: Path, step: int) -> None:
    """Step 3 exists already, step 4 does not; each is killed at each point, by attempts one after the other."""
    save(3, "old")
    points = 0
    while killed_at(points, lambda: save(step, "new")):
        content = whole_content(hpotool.latest_checkpoint())
        assert content in ("old", "new")
        points += 1
    assert points > 8, "there was nothing to be killed at"
    assert whole_content(hpotool.latest_checkpoint()) == "new"
    assert [path.name for path in hpotool.checkpoints.checkpoints_in(folder)] == [f"step-{step:09d}"]


def test_a_step_that_is_saved_by_two_ranks_at_once_is_one_of_both(folder: Path) -> None:
    with hpotool.save_checkpoint(7) as first, hpotool.save_checkpoint(7) as second:
        for name in FILES:
            for rank in (first, second):
                (rank / name).parent.mkdir(exist_ok=True)
                (rank / name).write_text(f"{rank == first}")
    assert [path.name for path in folder.iterdir()] == ["step-000000007"]
    assert whole_content(hpotool.latest_checkpoint()) == "True"


def test_a_negative_step_is_refused_and_not_lost(folder: Path) -> None:
    with pytest.raises(ValueError, match="must not be negative: -1"), hpotool.save_checkpoint(-1):
        pass
    assert not folder.exists()


def test_on_a_full_disk_the_save_raises_and_the_checkpoint_before_stays(folder: Path) -> None:
    save(1, "old")

    def fill() -> None:
        with hpotool.save_checkpoint(2), Path("/dev/full").open("w") as full:
            full.write("x" * 100_000)

    with pytest.raises(OSError, match="No space left"):
        fill()
    assert [path.name for path in folder.iterdir()] == ["step-000000001"]
