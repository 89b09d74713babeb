"""Objectives of a pool's fault tests: short ones, and one that goes on from its checkpoint."""

from __future__ import annotations

import time
from pathlib import Path

from hpotool.worker.child.objective_trial import ObjectiveTrial
from tests.faults.objectives import append

TRIAL_S = 0.1
STEPS = 400


def objective(trial: ObjectiveTrial) -> float:
    x = trial.suggest_float("x", 0.0, 1.0)
    time.sleep(TRIAL_S)
    append(f"returned-{trial.study.study_name}", f"{trial.number} {x!r}\n")
    return x


def long(trial: ObjectiveTrial) -> float:
    """Counts in its checkpoint until somebody wants its place, or, once it was resumed, until it is through."""
    x = trial.suggest_float("x", 0.0, 1.0)
    assert trial.checkpoint_dir is not None
    saved = Path(trial.checkpoint_dir) / "steps"
    done = int(saved.read_text()) if saved.exists() else 0
    if done:
        append("resumed", f"{trial.number} {done}\n")
        return x
    while True:
        done += 1
        saved.write_text(str(done))
        time.sleep(0.05)
        if trial.should_stop():
            raise RuntimeError("stopped")
