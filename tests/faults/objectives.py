"""The objective of the fault tests: quick, without checkpoints; every value that it returns is written down.

It runs in the child process; its folder is the working directory of the fleet.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from hpotool.worker.child.objective_trial import ObjectiveTrial

STEP_S = 0.03


def objective(trial: ObjectiveTrial) -> float:
    x = trial.suggest_float("x", 0.0, 1.0)
    if trial.checkpoint_dir is not None:
        (trial.checkpoint_dir / "x").write_text(repr(x))
    for step in range(4):
        trial.report(x + step, step)
        break_if_planned(step)
        _work(trial, float(os.environ.get("TEST_STEP_S", STEP_S)))
    append("returned", f"{trial.number} {x!r}\n")
    return x


def of_an_integer(trial: ObjectiveTrial) -> float:
    """Fails at 2, and is killed once at 5."""
    x = trial.suggest_int("x", 0, 5)
    append("ran", f"{trial.number} {x}\n")
    if x == 2:
        raise ValueError("no such configuration")
    if x == 5 and not Path("killed").exists():
        Path("killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return float(x)


def with_load(trial: ObjectiveTrial) -> dict[str, float]:
    """Beside its value, something that the study constrains."""
    x = objective(trial)
    return {"value": x, "load": x}


def _work(trial: ObjectiveTrial, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(min(0.05, seconds))
        if trial.should_stop():
            raise RuntimeError("asked to stop")


def break_if_planned(step: int) -> None:
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
    descriptor = os.open(Path(os.environ.get("TEST_FOLDER", "."), name), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)
