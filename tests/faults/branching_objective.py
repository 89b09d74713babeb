"""An objective that trains step by step from its checkpoint, which is a record of what it was trained with."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import psutil

import hpotool
from hpotool.worker.child.objective_trial import ObjectiveTrial
from tests.faults.objectives import STEP_S, append


def objective(trial: ObjectiveTrial) -> float:
    """Add ``x`` to the record until it has as many steps as the study asks for; the mean is what it is worth."""
    x = trial.suggest_float("x", 0.0, 1.0)
    assert trial.checkpoint_dir is not None
    record = trial.checkpoint_dir / "record.json"
    trained: list[float] = json.loads(record.read_text()) if record.exists() else []
    while len(trained) < hpotool.steps(0):
        time.sleep(STEP_S)
        trained.append(x)
        _replace(record, json.dumps(trained))
        trial.report(x, len(trained))
        _kill_the_worker_once(trained)
    trial.set_user_attr("trained", trained)
    value = sum(trained) / len(trained)
    append("returned", f"{trial.number} {value!r}\n")
    return value


def _kill_the_worker_once(trained: list[float]) -> None:
    marker = os.environ.get("TEST_KILLS_ITS_WORKER")
    if marker and not Path(marker).exists():
        Path(marker).write_text(json.dumps(trained))
        psutil.Process().parents()[1].kill()  # the fork server's parent
        time.sleep(3600)


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(text)
    unfinished.replace(path)
