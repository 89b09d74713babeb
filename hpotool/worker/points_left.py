"""Ends a study with finitely many points when each has run, and prevents trials beyond them."""

from __future__ import annotations

from optuna import Study

from hpotool.search.every_point import EveryPoint, has_open_trials
from hpotool.storage.control.orders import finish_study
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.worker.log import log_event


class PointsLeft:
    """One worker's part in a grid or brute force search."""

    def __init__(self, sampler: EveryPoint, storage: WorkerStorage) -> None:
        self._sampler = sampler
        self._storage = storage

    def before_claim(self, study: Study) -> None:
        """Limit the claim to the remaining points; if there are none and nothing is running, end the study."""
        trials = study.get_trials(deepcopy=False)
        left = self._sampler.count_points_left(trials)
        # Each new trial uses at most one point, even if another worker creates it after this check.
        self._storage.create_below = None if left is None else len(trials) + left
        if left == 0 and not has_open_trials(trials):
            reason = "every point has run"
            if finish_study(self._storage.run, study._study_id, reason, self._storage.worker.worker_id):
                log_event("done", f"the study is done: {reason}")
