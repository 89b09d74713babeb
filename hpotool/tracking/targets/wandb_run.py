"""A trial as W&B takes it: an id, config, rows of history, a summary, tags. Pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any

from hpotool.tracking.names import safe_text
from hpotool.tracking.tracked_run import LONGEST_PARAMETER, TrackedRun

SENT = "hpotool/sent"  # in a run's summary: a hash of all that was sent, by which its arrival is checked
_LONGEST_LABEL = 64
_LONGEST_GROUP = 120
_LARGEST_NUMBER = 2**53  # beyond it, what reads JSON makes another number of it

_NOT_IN_ARTIFACT = re.compile(r"[^a-zA-Z0-9._-]")


def run_id(job_id: str, run: TrackedRun) -> str:
    """The id of a trial's run: the same whoever sends it, and never another job's."""
    return f"{job_id.replace('-', '')[:16]}-{run.number}"


def config_of(run: TrackedRun) -> dict[str, Any]:
    """Parameters as they are, and below ``hpotool`` what else is known of the trial."""
    params = {_unreserved(name): _plain(value) for name, value in run.values.items()}
    known = {name.removeprefix("hpotool."): value for name, value in run.tags.items()}
    times = {"started": run.started.isoformat(), "ended": run.ended.isoformat() if run.ended else None}
    return {**params, "hpotool": {**known, **times}}


def rows_of(run: TrackedRun) -> dict[int, dict[str, float]]:
    """What was reported, by step in ascending order: W&B drops a step below the one before it."""
    rows: dict[int, dict[str, float]] = {}
    for point in run.points:
        if _is_report(point.name):
            rows.setdefault(point.step, {"_timestamp": point.at.timestamp()})[point.name] = point.value
    return dict(sorted(rows.items()))


def summary_of(run: TrackedRun) -> dict[str, Any]:
    """What a trial ended with."""
    ends = [point for point in run.points if not _is_report(point.name)]
    # W&B's client makes nothing of NaN in a summary, and its pages read this text as NaN.
    figures = {_unreserved(each.name): "NaN" if math.isnan(each.value) else each.value for each in ends}
    return {**figures, SENT: fingerprint(run)}


def labels_of(run: TrackedRun) -> list[str]:
    """The tags that people gave, as W&B's: one text each."""
    return [safe_text(f"{name}:{value}", _LONGEST_LABEL) for name, value in run.labels.items()]


def group_of(run: TrackedRun) -> str:
    """The group that a study's runs are in."""
    return safe_text(run.tags["hpotool.study"], _LONGEST_GROUP)


def artifact_name(run: TrackedRun) -> str:
    """The name of the files of a study's final trainings: each one that differs is a version of it."""
    return _NOT_IN_ARTIFACT.sub("_", safe_text(run.tags["hpotool.study"], _LONGEST_GROUP)) + "-final"


def exit_code_of(run: TrackedRun) -> int:
    """W&B's client knows two ends: whoever was pruned or interrupted has not failed."""
    return 1 if run.status == "FAILED" else 0


def fingerprint(run: TrackedRun) -> str:
    """A hash of all that is sent of a run."""
    points = [(point.name, repr(point.value), point.step, point.at.isoformat()) for point in run.points]
    content = [run.name, run.status, points, config_of(run), dict(run.labels), run.note]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _is_report(name: str) -> bool:
    return name.startswith("steps/")


def _unreserved(name: str) -> str:
    """W&B keeps names that begin with an underscore, and ``hpotool`` is what goes below that name."""
    return f"own/{name}" if name.startswith("_") or name in ("hpotool", "wandb") else name


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int) and abs(value) <= _LARGEST_NUMBER:
        return value
    return safe_text(value, LONGEST_PARAMETER)
