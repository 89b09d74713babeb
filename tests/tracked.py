"""Studies and trials as exporters read them, for tests without a database."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from hpotool.storage.tracking.exported import ExportedStudy, ExportedTrial
from hpotool.study.file.reader import read_study_file
from hpotool.study.phase import Reevaluation

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
ATTEMPT = {
    "worker": "w1", "host": "gpu7", "slot": "gpu 0,1 (NVIDIA H100)", "outcome": "complete", "reason": None,
    "duration_s": 36.0, "gpu": {"peak_memory_bytes": 2048},
}  # fmt: skip


def exported_study(text: str = "", **fields: Any) -> ExportedStudy:
    """A study of one metric that runs, with what else its file says."""
    spec = read_study_file("study: digits\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n" + text)
    known: dict[str, Any] = {
        "name": spec.name, "state": "running", "reason": "", "spec": spec, "budget_trials": 10, "created": BEGAN,
        "changed_s": 1.5, "metrics": {metric.name: metric.direction for metric in spec.metrics}, "finished": 3,
        "running": 0, "waiting": 0, "failed": 1,
    }  # fmt: skip
    return ExportedStudy(**{**known, **fields})


def exported_trial(number: int = 0, **fields: Any) -> ExportedTrial:
    """A complete trial that reported three times."""
    known: dict[str, Any] = {
        "number": number,
        "state": "COMPLETE",
        "started": BEGAN + timedelta(seconds=number),
        "ended": BEGAN + timedelta(seconds=number + 40),
        "params": {"lr": 0.1, "kind": "b"},
        "values": {"loss": 0.25},
        "steps": {"loss": {0: 3.0, 1: 2.0, 2: 0.25}},
        "attempts": (ATTEMPT,),
    }
    return ExportedTrial(**{**known, **fields})


def final_training(place: Path, files: dict[str, int]) -> dict[str, Any]:
    """What makes a trial the final training of trial 12, which has kept files of so many bytes."""
    noted = [{"name": name, "bytes": size, "sha256": "0"} for name, size in files.items()]
    return {"reevaluation": Reevaluation("final", "trial 12", 0), "kept": {"place": str(place), "files": noted}}
