"""How far a study is: state, budget, trials per state, the best so far, and who works on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpotool.analysis.best import BestTrials, find_best
from hpotool.analysis.results import json_data
from hpotool.storage.connection import Connection
from hpotool.storage.studies import StudyProgress, has_replicates, list_studies, read_progress

if TYPE_CHECKING:
    from optuna import Study

_STATES = ("WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL")


@dataclass(frozen=True)
class StudyStatus:
    """A study's progress together with the best so far."""

    progress: StudyProgress
    best: BestTrials

    @property
    def queued_beyond_budget(self) -> int:
        """How many waiting trials the budget has no place for."""
        waiting = self.progress.summary.trials.get("WAITING", 0)
        if self.progress.budget_trials is None:
            return 0
        running = self.progress.summary.trials.get("RUNNING", 0)
        return max(0, waiting - max(0, self.progress.budget_trials - self.progress.finished - running))

    def as_data(self) -> dict[str, Any]:
        """Return the status as JSON data."""
        counts = self.progress.summary.trials
        return {
            "study": self.progress.summary.name,
            "state": self.progress.state,
            "reason": self.progress.reason,
            "metrics": dict(self.progress.summary.metrics),
            "trials": {state: counts[state] for state in _STATES if state in counts},
            "budget": {
                "trials": self.progress.budget_trials,
                "finished": self.progress.finished,
                "queued_beyond": self.queued_beyond_budget,
            },
            "best": [trial.as_data() for trial in self.best.trials],
            "warning": self.progress.warning,
            "workers": [json_data(worker) for worker in self.progress.workers],
        }


def read_status(connection: Connection, study: Study) -> StudyStatus:
    """Return how far the study is, counted in the database, and the best of its finished trials."""
    summary = list_studies(connection, study.study_name)[0]
    replicates = has_replicates(connection, study.study_name)
    return StudyStatus(read_progress(connection, summary), find_best(study, replicates=replicates))
