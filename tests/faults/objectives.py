"""The objective of the fault tests: quick, without checkpoints; every value that it returns is written down.

It runs in the child process; its folder is the working directory of the fleet.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import optuna

STEP_S = 0.03


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0.0, 1.0)
    for step in range(4):
        trial.report(x + step, step)
        _break_if_planned(step)
        _work(trial, float(os.environ.get("TEST_STEP_S", STEP_S)))
    append("returned", f"{trial.number} {x!r}\n")
    return x


def _work(trial: optuna.Trial, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(min(0.05, seconds))
        if trial.should_stop():
            raise RuntimeError("asked to stop")


def _break_if_planned(step: int) -> None:
    action, _, folder = os.environ.get("TEST_CHILD_FAULT", "").partition(":")
    if not action or step != 2:
        return
    try:
        with Path(folder, "fired").open("x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return
    if action == "raise":
        raise RuntimeError("planned")
    if action == "wait":
        while not Path(folder, "go").exists():
            time.sleep(0.02)
    else:
        os.kill(os.getpid(), {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[action])


def append(name: str, line: str) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)
