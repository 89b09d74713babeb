"""How fast a study goes, who works on it, and when it will be done. Pure: ages come in as seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hpotool.settings import GRACE_PERIOD, HEARTBEAT_INTERVAL
from hpotool.storage.control.activity import StudyActivity
from hpotool.storage.control.studies import StudyProgress

Presence = Literal["alive", "silent", "gone"]

_SILENT_AFTER_S = 2 * HEARTBEAT_INTERVAL.total_seconds()
# Other workers hand the trial of a silent one on within this time; one that is back by then has lost it.
GONE_AFTER_S = 2 * GRACE_PERIOD.total_seconds()
_OVER = ("done", "stopped")


@dataclass(frozen=True)
class Pace:
    """How long the study has taken, how fast it goes, and how long it will still take; None: not known."""

    elapsed_s: float | None
    trial_s: float | None
    trials_per_hour: float | None
    left_s: float | None


def judge_presence(last_beat_s: float) -> Presence:
    """Whether a worker that was heard ``last_beat_s`` ago is there."""
    if last_beat_s <= _SILENT_AFTER_S:
        return "alive"
    return "silent" if last_beat_s <= GONE_AFTER_S else "gone"


def find_workers(progress: StudyProgress, activity: StudyActivity) -> list[dict[str, Any]]:
    """The workers that have not ended, each with the step of its trial and whether it is there."""
    return [
        {**worker, "step": activity.steps.get(worker["id"]), "state": judge_presence(worker["last_beat_s"])}
        for worker in progress.workers
    ]


def is_forsaken(progress: StudyProgress) -> bool:
    """Whether a running study has nobody who works on it.

    A running trial that no worker of hpotool holds is one of plain Optuna's, whose worker nobody knows.
    """
    here = [worker for worker in progress.workers if judge_presence(worker["last_beat_s"]) != "gone"]
    held = sum(worker["trial"] is not None for worker in progress.workers)
    return progress.state == "running" and not here and progress.summary.trials.get("RUNNING", 0) <= held


def measure_pace(progress: StudyProgress, activity: StudyActivity) -> Pace:
    """How fast the study goes with the workers it has now; of one that is over, how fast it went."""
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
