"""What the facts of a study mean, one trouble at a time; tests/integration/test_doctor.py makes them for real."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hpotool import __version__
from hpotool.doctor.study import STUDY, Study
from hpotool.settings import Pulse
from hpotool.storage.control.health import StudyHealth
from hpotool.storage.control.launches import Launch
from hpotool.study.file.reader import read_study_file

FILE = """
study: my-study
objective: {command: [sh, "-c", "echo ${TOKEN} {x}"], timeout: 1h}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
budget: {trials: 4}
"""
WELL = StudyHealth([], [], [], [], [], [], None)
PULSE = Pulse(timedelta(seconds=10), timedelta(seconds=30))
LAUNCH = Launch("ssh-1", "ssh", 2, {}, (), "me", 60.0, is_stopped=False)


def spec(text: str = FILE) -> Any:
    return read_study_file(text, "study.yaml", [])


def study(**changes: Any) -> Study:
    known: dict[str, Any] = {
        "name": "my-study", "state": "running", "reason": "", "spec": spec(), "stored": {"code": "a"},
        "running": {"code": "a"}, "health": WELL, "launches": (), "pulse": PULSE,
        "environment": {"TOKEN": "x", "PATH": "/usr/bin:/bin"},
    }  # fmt: skip
    return Study(**(known | changes))


def worker(**changes: Any) -> dict[str, Any]:
    return {
        "worker": "w",
        "host": "a",
        "slot": "cpu",
        "version": __version__,
        "launch": None,
        "silent_s": 1.0,
    } | changes


def ended(host: str, outcome: str, count: int) -> list[dict[str, str]]:
    return [{"host": host, "outcome": outcome, "reason": f"it {outcome}ed"}] * count


def test_a_sound_study_is_well() -> None:
    found = {each.check: each.finding for each in STUDY.examine(study()) if each.finding.verdict != "ok"}
    assert found == {}


@pytest.mark.parametrize(
    ("check", "changes", "verdict", "words"),
    [
        ("state", {"state": "paused", "reason": "lunch"}, "warning", "paused: lunch"),
        ("state", {"state": "done"}, "warning", "done"),
        (
            "trackers",
            {"spec": spec(FILE + "tracking: {tensorboard: /dev/null/runs}\n")},
            "warning",
            "tensorboard /dev/null/runs: /dev/null/runs cannot be written here",
        ),
        ("code", {"running": {"code": "b"}}, "warning", "the objective's code"),
        ("variables", {"environment": {"PATH": "/usr/bin:/bin"}}, "broken", "not set here: TOKEN"),
        (
            "objective",
            {"environment": {"TOKEN": "x", "PATH": "/nowhere"}},
            "broken",
            "there is no program sh here",
        ),
        ("pruner", {"health": {"mismatch": '"3 steps"'}}, "warning", "^3 steps$"),
        (
            "shared GPUs",
            {"health": {"neighbours": [{"host": "a", "slot": "gpu 0", "count": 2}]}},
            "warning",
            "2 workers share",
        ),
        ("lost trials", {"health": {"lost": [1, 2]}}, "warning", "1, 2"),
        ("trials without heartbeat", {"health": {"foreign": [3]}}, "warning", "3"),
        ("missing workers", {"launches": [LAUNCH]}, "warning", "0 of 2 workers"),
        (
            "failures",
            {"health": {"recent": ended("a", "error", 9) + ended("a", "complete", 3)}},
            "warning",
            "9 of the last 12",
        ),
        (
            "failing host",
            {"health": {"recent": ended("a", "oom", 5) + ended("b", "complete", 9), "workers": [worker()]}},
            "warning",
            "everything fails on a,",
        ),
        ("versions of workers", {"health": {"workers": [worker(version="0.0.1")]}}, "warning", "hpotool 0.0.1"),
        ("silent workers", {"health": {"workers": [worker(silent_s=25.0)]}}, "warning", "1 worker is silent: w"),
    ],
)
def test_each_trouble_is_found_and_nothing_else(
    check: str, changes: dict[str, Any], verdict: str, words: str
) -> None:
    if isinstance(changes.get("health"), dict):
        recent = changes["health"].get("recent")
        known = {"workers": [worker()]} if recent else {}
        changes = {**changes, "health": replace(WELL, **(known | changes["health"]))}
    bad = [each for each in STUDY.examine(study(**changes)) if each.finding.verdict != "ok"]
    assert [(each.check, each.finding.verdict) for each in bad] == [(check, verdict)]
    assert re.search(words, bad[0].finding.says)
    assert bad[0].finding.remedy


def test_a_strict_study_is_broken_by_other_code() -> None:
    strict = spec(FILE + "strict: true\n")
    assert STUDY.look("code", study(spec=strict, running={"code": "b"})).verdict == "broken"


@pytest.mark.parametrize(
    ("outcome", "history", "verdict"),
    [("lost", [], "warning"), ("lost", ["lost"], "ok"), ("error", [], "ok"), ("preempted", [], "warning")],
)
def test_only_a_failure_that_is_to_be_tried_again_is_missed(
    outcome: str, history: list[str], verdict: str
) -> None:
    health = replace(WELL, unfollowed=[{"number": 4, "outcome": outcome, "history": history}])
    found = STUDY.look("retries", study(health=health, spec=spec(FILE + "retry: {lost: 1}\n")))
    assert found.verdict == verdict
    assert "hpotool retry 4 --study my-study" in found.remedy or verdict == "ok"


def test_a_study_that_is_over_should_have_no_launch_left() -> None:
    found = STUDY.look("left jobs", study(state="done", launches=[LAUNCH]))
    assert (found.verdict, found.remedy) == ("warning", "hpotool workers --study my-study --stop")
    stopped = replace(LAUNCH, is_stopped=True)
    assert STUDY.look("left jobs", study(state="done", launches=[stopped])).verdict == "ok"
    assert STUDY.look("missing workers", study(launches=[stopped])).verdict == "ok"


def test_a_study_that_has_begun_and_has_nobody_is_said() -> None:
    recent = ended("a", "complete", 1)
    assert STUDY.look("workers", study(health=replace(WELL, recent=recent))).verdict == "warning"
    gone = replace(WELL, recent=recent, workers=[worker(silent_s=61.0)])
    assert STUDY.look("workers", study(health=gone)).verdict == "warning"
    here = replace(WELL, recent=recent, workers=[worker()])
    assert STUDY.look("workers", study(health=here)).verdict == "ok"
    assert STUDY.look("workers", study()).verdict == "ok", "it has not begun yet"


def test_a_host_that_fails_like_all_others_is_not_the_host() -> None:
    everywhere = ended("a", "error", 6) + ended("b", "error", 6)
    assert STUDY.look("failing host", study(health=replace(WELL, recent=everywhere))).verdict == "ok"
    few = ended("a", "error", 4) + ended("b", "complete", 6)
    assert STUDY.look("failing host", study(health=replace(WELL, recent=few))).verdict == "ok"


def test_checkpoints_are_looked_at_where_they_are_named(tmp_path: Path) -> None:
    assert STUDY.look("checkpoints", study()).verdict == "ok"
    assert STUDY.look("checkpoints", study(checkpoints="s3://bucket/x")).verdict == "ok"
    assert STUDY.look("checkpoints", study(checkpoints=str(tmp_path / "gone"))).verdict == "broken"
    both = replace(WELL, workers=[worker(), worker(host="b")])
    found = STUDY.look("checkpoints", study(checkpoints="/tmp", health=both))
    assert (found.verdict, found.says) == ("broken", "/tmp is each machine's own, and 2 machines work")


def test_what_has_no_end_is_said() -> None:
    assert STUDY.look("budget", study(spec=spec(FILE.replace("budget: {trials: 4}", "")))).verdict == "warning"
    assert STUDY.look("budget", study(spec=spec(FILE.replace("trials: 4", "wall: 1h")))).verdict == "ok"
    assert (
        STUDY.look("limits of a trial", study(spec=spec(FILE.replace(", timeout: 1h", "")))).verdict == "warning"
    )
    assert STUDY.look("limits of a trial", study(spec=spec(FILE.replace("timeout", "stall")))).verdict == "ok"


def test_what_is_in_quarantine_is_named_with_how_to_lift_it() -> None:
    found = STUDY.look("quarantine", study(health=replace(WELL, quarantined=["gpu7", "GPU-5b1d"])))
    assert found.verdict == "warning"
    assert found.says.endswith(": gpu7, GPU-5b1d")
    assert "hpotool quarantine --study my-study" in found.remedy
    assert STUDY.look("quarantine", study()).verdict == "ok"


def test_workers_may_share_a_gpu_if_they_know_of_each_other() -> None:
    health = replace(WELL, neighbours=[{"host": "a", "slot": "gpu 0", "count": 2}])
    assert STUDY.look("shared GPUs", study(health=health)).verdict == "warning"
    packed = spec(f"{FILE}gpu_memory: 10GB\n")
    assert STUDY.look("shared GPUs", study(health=health, spec=packed)).verdict == "ok"
