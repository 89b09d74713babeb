"""A study's pace, its live workers, and when it will be done. Pure: ages are given in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hpotool.settings import GRACE_PERIOD, HEARTBEAT_INTERVAL
from hpotool.storage.control.activity import StudyActivity
from hpotool.storage.control.studies import StudyProgress

Presence = Literal["alive", "silent", "gone"]

_SILENT_AFTER_S = 2 * HEARTBEAT_INTERVAL.total_seconds()
# Within this time, other workers requeue a silent worker's trial, so if it comes back it has lost the trial.
GONE_AFTER_S = 2 * GRACE_PERIOD.total_seconds()
_OVER = ("done", "stopped")


@dataclass(frozen=True)
class Pace:
    """The elapsed time, the pace, and the remaining time; None: unknown."""

    elapsed_s: float | None
    trial_s: float | None
    trials_per_hour: float | None
    left_s: float | None


def judge_presence(last_beat_s: float) -> Presence:
    """Whether a worker whose last sign of life was ``last_beat_s`` ago is alive, silent or gone."""
    if last_beat_s <= _SILENT_AFTER_S:
        return "alive"
    return "silent" if last_beat_s <= GONE_AFTER_S else "gone"


def find_workers(progress: StudyProgress, activity: StudyActivity) -> list[dict[str, Any]]:
    """The workers that have not ended, each with the step of its trial and whether it is alive."""
    return [
        {**worker, "step": activity.steps.get(worker["id"]), "state": judge_presence(worker["last_beat_s"])}
        for worker in progress.workers
    ]


def is_forsaken(progress: StudyProgress) -> bool:
    """Whether a running study has no workers, and its pool none that could turn to it.

    A running trial that belongs to no hpotool worker is one of plain Optuna's, whose workers are unknown.
    """
    here = [worker for worker in progress.workers if judge_presence(worker["last_beat_s"]) != "gone"]
    held = sum(worker["trial"] is not None for worker in progress.workers)
    is_left = not here and not progress.pool_workers
    return progress.state == "running" and is_left and progress.summary.trials.get("RUNNING", 0) <= held


def measure_pace(progress: StudyProgress, activity: StudyActivity) -> Pace:
    """The study's pace with its current workers; for a study that is over, its past pace."""
    if activity.begun_s is None:
        return Pace(None, activity.trial_s, None, None)
    if progress.state in _OVER:
        elapsed = max(0.0, activity.begun_s - (activity.idle_s or 0.0))
        mean = 3600 * progress.finished / elapsed if elapsed else None
        return Pace(elapsed, activity.trial_s, mean, None)
    per_hour = _present_rate(progress.workers, activity) if progress.state == "running" else None
    return Pace(activity.begun_s, activity.trial_s, per_hour, _time_left(progress, per_hour))


def _present_rate(workers: tuple[Mapping[str, Any], ...], activity: StudyActivity) -> float | None:
    alive = sum(judge_presence(worker["last_beat_s"]) == "alive" for worker in workers)
    return 3600 * alive / activity.cost_s if alive and activity.cost_s else None


def _time_left(progress: StudyProgress, per_hour: float | None) -> float | None:
    if per_hour is None or progress.budget_trials is None:
        return None
    return 3600 * max(0, progress.budget_trials - progress.finished) / per_hour
