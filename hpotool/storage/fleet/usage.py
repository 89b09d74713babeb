"""A study's usage of its budget, read at a cost that depends on new trials, not on the size of the study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import Run
from hpotool.study.rules.budget import FinishedTrial, Progress, Usage, advance, hours_on_gpus, total_cost
from hpotool.study.spec import BudgetSpec, MetricSpec


class UsageReader:
    """Reads one study's usage repeatedly, and remembers the finished trials it has seen.

    Only quantities that ``budget`` limits are read, so a study without a target pays nothing for it. With
    ``replicates``, trials of the same point count by their mean.
    """

    def __init__(
        self, run: Run, study_id: int, metrics: Sequence[MetricSpec], *, replicates: bool = False
    ) -> None:
        self._run = run
        self._replicates = replicates
        self._study_id = study_id
        self._metrics = tuple(metrics)
        self._progress = Progress()
        self._seen: set[int] = set()  # for the trials from `_from_id` on
        self._from_id = 0

    def read(self, budget: BudgetSpec) -> Usage:
        """The current usage, without numbers of trials, which the claim itself counts exactly."""
        usage = Usage()
        if any(limit is not None for limit in (budget.wall, budget.gpu_hours, budget.cost, budget.failed)):
            usage = self._read_amounts(budget)
        if budget.target or budget.patience is not None:
            usage = replace(usage, progress=self._read_progress())
        return usage

    def _read_amounts(self, budget: BudgetSpec) -> Usage:
        rows = self._run(query("study_usage"), {"study_id": self._study_id})
        if not rows:  # the usage of a study of plain Optuna is unknown
            return Usage()
        wall_s, seconds_by_slot, failed = rows[0]
        hours = {slot: seconds / 3600 for slot, seconds in seconds_by_slot.items()}
        return Usage(
            failed=failed,
            wall=timedelta(seconds=wall_s),
            gpu_hours=hours_on_gpus(hours),
            cost=total_cost(hours, budget.prices),
        )

    def _read_progress(self) -> Progress:
        parameters = {"study_id": self._study_id, "from_id": self._from_id, "replicates": self._replicates}
        rows = self._run(query("finished_since"), parameters)
        for trial_id, is_complete, values, violations, point, is_taken_over, _ in rows:
            if trial_id not in self._seen:
                self._seen.add(trial_id)
                violations = {name: float(violation) for name, violation in violations.items()}
                trial = FinishedTrial(tuple(values) if is_complete else None, violations, point, is_taken_over)
                self._progress = advance(self._progress, trial, self._metrics)
        if rows:
            first_open = rows[0][-1]
            self._from_id = first_open if first_open is not None else max(self._seen) + 1
            self._seen = {trial_id for trial_id in self._seen if trial_id >= self._from_id}
        return self._progress
