"""How far a study is: state, budget, trials per state, the best so far, and who works on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpotool.analysis.best import find_best
from hpotool.analysis.candidates import BestTrials
from hpotool.analysis.results import json_data
from hpotool.storage.control.studies import StudyProgress, has_replicates, list_studies, read_progress
from hpotool.storage.database.connection import Connection
from hpotool.study.branch import Branch

if TYPE_CHECKING:
    from optuna import Study

_STATES = ("WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL")


@dataclass(frozen=True)
class TierProgress:
    """How many of a tier's trials have finished, and how many run."""

    steps: int
    trials: int
    finished: int
    running: int


@dataclass(frozen=True)
class StudyStatus:
    """A study's progress together with the best so far."""

    progress: StudyProgress
    best: BestTrials
    tiers: tuple[TierProgress, ...] = ()

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
                "taken_over": self.progress.taken_over,
                "queued_beyond": self.queued_beyond_budget,
            },
            "best": [trial.as_data() for trial in self.best.trials],
            **({"tiers": [vars(tier) for tier in self.tiers]} if self.tiers else {}),
            "warning": self.progress.warning,
            "workers": [json_data(worker) for worker in self.progress.workers],
        }


def read_status(connection: Connection, study: Study) -> StudyStatus:
    """Return how far the study is, counted in the database, and the best of its finished trials."""
    summary = list_studies(connection, study.study_name)[0]
    replicates = has_replicates(connection, study.study_name)
    progress = read_progress(connection, summary)
    return StudyStatus(progress, find_best(study, replicates=replicates), _count_tiers(progress.tiers, study))


def _count_tiers(tiers: Sequence[Mapping[str, int]], study: Study) -> tuple[TierProgress, ...]:
    if not tiers:
        return ()
    branches = [(trial.state.name, Branch.of(trial.system_attrs)) for trial in study.get_trials(deepcopy=False)]
    counts = Counter(((branch.tier if branch else 0), state) for state, branch in branches)
    return tuple(
        TierProgress(
            steps=tier["steps"],
            trials=tier["trials"],
            finished=counts[number, "COMPLETE"] + counts[number, "PRUNED"],
            running=counts[number, "RUNNING"],
        )
        for number, tier in enumerate(tiers)
    )
