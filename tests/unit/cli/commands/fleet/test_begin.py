"""What all launch targets have in common: words for workers, folders, and what is said at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.cli.commands.fleet.begin import _absolute, _say, _words
from hpotool.errors import EXIT_DONE, EXIT_FAILED, InputError
from hpotool.launch.targets.kubernetes import KubernetesTarget
from hpotool.launch.targets.machine import MachineTarget


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("   ", []),
        ("--no-breaker", ["--no-breaker"]),
        ("--grace 2m  --no-breaker", ["--grace", "2m", "--no-breaker"]),
        ("--checkpoints '/my folder'", ["--checkpoints", "/my folder"]),
        ('--x "a b" c\\ d', ["--x", "a b", "c d"]),
    ],
)
def test_options_are_words_as_a_shell_reads_them(text: str, words: list[str]) -> None:
    assert _words(text) == words


@pytest.mark.parametrize("text", ["'open", '"open', "end\\"])
def test_a_quotation_mark_that_is_missing_is_said(text: str) -> None:
    with pytest.raises(InputError, match="--worker-options cannot be read") as refused:
        _words(text)
    assert refused.value.hint == "write it like --worker-options '--no-breaker'"


def test_a_relative_folder_of_checkpoints_becomes_absolute_and_a_url_stays() -> None:
    here = MachineTarget()
    assert _absolute(None, here) is None
    assert _absolute("ckpt", here) == str(Path.cwd() / "ckpt")
    assert _absolute("/mnt/ckpt", here) == "/mnt/ckpt"
    assert _absolute("s3://bucket/ckpt", here) == "s3://bucket/ckpt"
    assert _absolute("ckpt", KubernetesTarget()) == "ckpt", "a folder of the image"


@pytest.mark.parametrize(
    ("gpus", "started", "said"),
    [
        (0, 1, "launched 1 worker as l-1, on the CPU (--gpus 1 gives each a GPU)"),
        (1, 3, "launched 3 workers as l-1, with 1 GPU each"),
        (4, 2, "launched 2 workers as l-1, with 4 GPUs each"),
    ],
)
def test_what_was_launched_is_a_sentence(
    gpus: int, started: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _say("my study", "l-1", gpus, "/mnt", started, {}) == EXIT_DONE
    lines = capsys.readouterr().err.splitlines()
    assert lines == [said, "to list them: hpotool workers --study 'my study'"]


def test_failures_come_first_and_make_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert _say("s", "l-1", 0, None, 1, {"gpu7": "no route", "gpu8": "denied"}) == EXIT_FAILED
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["gpu7 failed: no route", "gpu8 failed: denied"]
    assert "without --checkpoints, a trial that moves to another machine starts over" in lines
