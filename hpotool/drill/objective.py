"""The drill's objective: cheap steps with checkpoints; some points fail, crash, dawdle or are pruned on purpose.

What a point does follows from its parameter alone, so that it does the same on every machine and in plain Optuna.
"""

from __future__ import annotations

import json
import os
import signal
import time
from enum import Enum
from pathlib import Path

import optuna

from hpotool.checkpoints import checkpoint_step, latest_checkpoint, save_checkpoint

START = "drill:start"  # the user attribute in which an attempt notes its start
FOLDER = "HPOTOOL_DRILL_FOLDER"  # where what is returned is noted beside the database; on other machines, nowhere
STEP = "HPOTOOL_DRILL_STEP_S"
STEPS = 8
_STEP_S = 0.2
_BREAKS_AT = 3


class Manner(Enum):
    """What a point does, by the upper end of its part of the range of x."""

    ERROR = 0.08
    CRASH = 0.16
    SLOW = 0.28
    PRUNED = 0.36
    SOUND = 1.0


def manner_of(x: float) -> Manner:
    """What the point does."""
    return next(manner for manner in Manner if x < manner.value or manner is Manner.SOUND)


def value_of(x: float) -> float:
    """The value of a point."""
    return (x - 0.7) ** 2


def objective(trial: optuna.Trial) -> float | None:
    """Train for some steps, each with a checkpoint and then a report."""
    x = trial.suggest_float("x", 0.0, 1.0)
    began_at, found_x = _resume()
    trial.set_user_attr(START, {"began_at": began_at, "found_x": found_x})
    note(f"running/{os.getpid()}", f"{trial.number}\n")
    for step in range(began_at, STEPS):
        _train(x)
        with save_checkpoint(step) as folder:
            (folder / "x.json").write_text(json.dumps(x))
        trial.report(value_of(x) + STEPS - step, step)
        if step == _BREAKS_AT:
            _misbehave(manner_of(x), has_resumed=began_at > 0)
        if _should_stop(trial):
            return None
    note("returned", f"{trial.number} {value_of(x)!r}\n")
    return value_of(x)


def note(name: str, line: str) -> None:
    """Append a line in one write to a file in the drill's folder, if this process knows one."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        return
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _resume() -> tuple[int, float | None]:
    checkpoint = latest_checkpoint()
    if checkpoint is None:
        return 0, None
    return checkpoint_step(checkpoint) + 1, float(json.loads((checkpoint / "x.json").read_text()))


def _should_stop(trial: optuna.Trial) -> bool:
    """Whether the worker asks for it; plain Optuna's trials have no such question."""
    should_stop = getattr(trial, "should_stop", None)
    return should_stop is not None and bool(should_stop())


def _train(x: float) -> None:
    step_s = float(os.environ.get(STEP, _STEP_S))
    time.sleep(step_s * (3 if manner_of(x) is Manner.SLOW else 1))


def _misbehave(manner: Manner, *, has_resumed: bool) -> None:
    if manner is Manner.ERROR:
        raise RuntimeError("this point of the drill fails on purpose")
    if manner is Manner.PRUNED:
        raise optuna.TrialPruned
    if manner is Manner.CRASH and not has_resumed:
        os.kill(os.getpid(), signal.SIGKILL)
