"""The words that one of several workers gets, and durations that a tired person writes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hpotool.cli.commands.run.worker import IfBusy, LogFormat, _duration_or_none, _gpu_option, _Options
from hpotool.worker.gpu import Device, Slot

PLAIN = _Options(None, 2, IfBusy.SHARE, None, "30s", None, None, True, LogFormat.TEXT, ())


def options(**changes: object) -> list[str]:
    from dataclasses import replace

    return replace(PLAIN, **changes).for_each_worker()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"checkpoints": "/my folder"}, ["--checkpoints", "/my folder"]),
        ({"give_up_after": "1h"}, ["--give-up-after", "1h"]),
        ({"wait_for_database": "5m"}, ["--wait-for-database", "5m"]),
        ({"only_objective": ("a:f", "b:g")}, ["--only-objective=a:f", "--only-objective=b:g"]),
        ({"stay": True}, ["--stay"]),
        ({"breaker": False}, ["--no-breaker"]),
        ({"workers": 9, "gpu": "auto", "if_busy": IfBusy.WAIT, "pool": "gpus"}, []),
    ],
)
def test_each_worker_gets_what_its_parent_was_told_but_what_the_parent_decides(
    changes: dict[str, object], words: list[str]
) -> None:
    assert options(**changes) == ["--grace", "30s", "--log-format", "text", *words]


def test_every_option_of_a_worker_is_one_of_the_command() -> None:
    from typer.main import get_command

    from hpotool.cli.app import app

    command = get_command(app).commands["worker"]  # type: ignore[attr-defined]
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    words = options(
        checkpoints="x",
        give_up_after="1h",
        wait_for_database="1h",
        only_objective=("a:f",),
        stay=True,
        breaker=False,
    )
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


def test_a_slot_is_named_by_the_ids_of_its_devices() -> None:
    devices = tuple(Device(number, f"GPU-{number}", "H100", 80) for number in range(2))
    assert _gpu_option(Slot("gpu 0,1", devices)) == "GPU-0,GPU-1"
    assert _gpu_option(Slot("cpu")) == "none"


def test_no_duration_is_none() -> None:
    assert _duration_or_none("--give-up-after", None) is None
    assert _duration_or_none("--give-up-after", "1d") == timedelta(days=1)
