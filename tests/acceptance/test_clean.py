"""`hpotool clean`: what goes, what stays, and that it says so first."""

import os
import re
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine, wait_until

OBJECTIVE = """
import os, time, hpotool
def objective(trial):
    with hpotool.save_checkpoint(1) as folder:
        (folder / "state").write_text("x" * 1000)
    print("printed")
    while os.path.exists("hold"):
        time.sleep(0.05)
    if trial.number % 3 == 0:
        raise RuntimeError("no")
    return trial.number
"""
STUDY = """
study: {name}
objective: {{python: clean_objective:objective}}
metrics: {{loss: minimize}}
search_space: {{x: {{float: [0, 1]}}}}
sampler: random
budget: {{trials: {trials}, failed: 2}}
"""


@pytest.fixture
def make_run(study_database_url: str, hpotool_home: Path, tmp_path: Path) -> Callable[..., CommandLine]:
    (tmp_path / "clean_objective.py").write_text(OBJECTIVE)
    command_line = CommandLine(study_database_url, tmp_path, {"PYTHONPATH": str(tmp_path)})

    def make(name: str, trials: int) -> CommandLine:
        (tmp_path / "study.yaml").write_text(STUDY.format(name=name, trials=trials))
        command_line.run("create-study", "study.yaml")
        return command_line

    return make


def removed_kinds(command_line: CommandLine, *arguments: str) -> set[str]:
    """What `clean` removes, but for temporary files: tests beside this one kill commands, and leave theirs."""
    said = command_line.run("clean", "--yes", *arguments).stderr
    return set(re.findall(r"^  ([a-z ]+): ", said, re.MULTILINE)) - {"temporary files"}


def names(home: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in home.glob(pattern))


def test_clean_removes_what_a_finished_study_does_not_need_and_says_so_first(
    make_run: Callable[..., CommandLine], hpotool_home: Path, tmp_path: Path
) -> None:
    command_line = make_run("s", 5)
    command_line.run("worker", "--study", "s", code=None)
    study = hpotool_home / "checkpoints" / "s"
    lineages = names(study, "trial-*")
    best = [name for name in lineages if int(name.removeprefix("trial-")) % 3]
    assert best != lineages
    old = study / ".copying-trial-00001-abc"
    old.mkdir()
    os.utime(old, (time.time() - 7200,) * 2)
    (tmp_path / "precious").write_text("mine")
    (study / "trial-00099").symlink_to(tmp_path)

    done = command_line.run("clean", "--dry-run")
    assert "checkpoints: " in done.stderr
    assert "trial-00000" in done.stderr
    assert "logs: " in done.stderr
    refused = command_line.run("clean", code=2)
    assert "hint: hpotool clean --yes" in refused.stderr
    assert set(names(study, "trial-*")) == {*lineages, "trial-00099"}, "nothing was removed"
    nothing_so_old = command_line.run("clean", "--yes", "--older-than", "900d").stderr
    assert "there is nothing to remove" in nothing_so_old

    assert removed_kinds(command_line) == {"logs", "checkpoints"}
    assert names(study, "trial-*") == best
    assert not old.exists()
    assert names(hpotool_home, "logs/*/*/*") == []
    assert (tmp_path / "precious").read_text() == "mine"
    assert removed_kinds(command_line) == set()
    assert removed_kinds(command_line, "--all-checkpoints") == {"checkpoints"}
    assert names(study, "trial-*") == []


def test_clean_touches_nothing_of_a_study_that_runs(
    make_run: Callable[..., CommandLine], hpotool_home: Path, tmp_path: Path
) -> None:
    command_line = make_run("s", 2)
    (tmp_path / "hold").touch()
    spool = hpotool_home / "spool" / "of-a-database"
    spool.mkdir(parents=True)
    (spool / "result.json").write_text("{}")
    os.utime(spool / "result.json", (1, 1))
    with command_line.start("worker", "--study", "s", log=tmp_path / "log"):
        wait_until(lambda: list(hpotool_home.glob("checkpoints/s/trial-*/step-*/state")), "the checkpoint")
        wait_until(
            lambda: [path for path in hpotool_home.glob("logs/s/*/trial-*") if path.stat().st_size], "output"
        )
        before = names(hpotool_home, "*/s/**/*")
        time.sleep(1.1)  # so that everything is older than a second
        command_line.run("clean", "--yes")
        command_line.run("clean", "--yes", "--older-than", "1s", "--all-checkpoints")
        command_line.run("stop", "--study", "s")
        command_line.run("clean", "--yes", "--all-checkpoints")
        assert [name for name in names(hpotool_home, "*/s/**/*") if name.startswith(("trial", "step"))] == [
            name for name in before if name.startswith(("trial", "step"))
        ]
    assert (spool / "result.json").exists()


def test_clean_removes_a_deleted_studys_things_only_when_it_is_told_to(
    make_run: Callable[..., CommandLine], hpotool_home: Path
) -> None:
    command_line = make_run("s", 1)
    for kind in ("logs/gone and/worker", "logs/gone%20and/worker", "checkpoints/gone%20and/trial-00001"):
        (hpotool_home / kind).mkdir(parents=True)
        (hpotool_home / kind / "trial-00001-1.log").write_text("x")
    done = command_line.run("clean", "--yes")
    assert "kept, because the database has no such study: gone and" in done.stderr
    assert names(hpotool_home, "checkpoints/*/*") == ["trial-00001"]
    assert removed_kinds(command_line, "--study", "gone and") == {"logs", "checkpoints"}
    assert names(hpotool_home, "checkpoints/*/*") == names(hpotool_home, "logs/gone%20and") == []
    missing = command_line.run("clean", "--yes", "--study", "never", code=3)
    assert "study 'never' is neither in the database nor on this machine" in missing.stderr
    wrong = command_line.run("clean", "--older-than", "7", code=2)
    assert "hint: write it like --older-than 7d" in wrong.stderr


def test_clean_removes_the_temporary_folders_of_killed_commands_alone(
    make_run: Callable[..., CommandLine], tmp_path: Path
) -> None:
    made = make_run("s", 1)
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as short, socket.socket(socket.AF_UNIX) as alive:
        here = CommandLine(made.url, tmp_path, {**made.environment, "TMPDIR": short})
        for name in ("killed", "alive", "without-socket"):
            folder = Path(short, f"hpotool-{name}")
            folder.mkdir()
            (folder / "params.json").write_text("{}")
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(f"{short}/hpotool-killed/socket")
        alive.bind(f"{short}/hpotool-alive/socket")
        alive.listen()
        Path(short, "hpotool-link").symlink_to(f"{short}/hpotool-killed")
        assert "temporary files" not in here.run("clean", "--yes", "--older-than", "900d").stderr
        assert "temporary files" in here.run("clean", "--yes").stderr
        assert names(Path(short), "hpotool-*") == ["hpotool-alive", "hpotool-link", "hpotool-without-socket"]
