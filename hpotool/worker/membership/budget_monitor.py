"""Ends the study for all workers when one of its limits is reached: wall time, GPU hours, cost, target, patience,
failed trials. The number of trials is not checked here, but in every claim; the regret is in `regret_monitor.py`.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta

from hpotool.errors import DatabaseUnreachableError, InputError, StudyFileError
from hpotool.storage.control.orders import finish_study, read_settings
from hpotool.storage.fleet.attempts import Run
from hpotool.storage.fleet.usage import UsageReader
from hpotool.study.file.reader import read_study_data
from hpotool.study.rules.budget import gpus_of_slot, price_of_device, reached_limit
from hpotool.study.spec import BudgetSpec, StudySpec
from hpotool.worker.log import log_event


class BudgetMonitor:
    """Checks a study's limits before each claim, and regularly while an attempt runs.

    The first worker that sees a limit reached marks the study as ``done``. The others learn of it at their next
    claim or heartbeat, stop, and requeue their trials. With a larger budget, the study continues from there.
    """

    def __init__(self, run: Run, study_id: int, spec: StudySpec, actor: str, interval: timedelta) -> None:
        self._run = run
        self._study_id = study_id
        self._spec = spec
        self._spec_hash: str | None = None
        self._actor = actor
        self._interval_s = interval.total_seconds()
        self._reader = self._new_reader()
        self._lock = threading.Lock()  # used by the side thread, and by the main thread before a claim

    @property
    def spec(self) -> StudySpec:
        """The study's settings as of the latest look."""
        return self._spec

    def before_claim(self) -> None:
        """Check once, if the study had limits besides trials when the worker started; `step` sees later ones."""
        if has_monitored_limits(self._spec.budget):
            self.step()

    def step(self) -> float:
        """Check once, while an attempt runs; return the seconds until the next check."""
        with suppress(DatabaseUnreachableError):  # the heartbeat reports this; an outage ends nothing
            self.look()
        return self._interval_s

    def look(self) -> None:
        """End the study if it has reached a limit.

        Raises:
            DatabaseUnreachableError: the database is away.
        """
        with self._lock:
            budget = self._current_budget()
            if not has_monitored_limits(budget):
                return
            reached = reached_limit(budget, self._spec.metrics, self._reader.read(budget))
            if reached is None:
                return
            reason = f"budget.{reached.key}: {reached.reason}"
            if finish_study(self._run, self._study_id, reason, self._actor):
                log_event("done", f"the study is done: {reason}", limit=reached.key)

    def _new_reader(self) -> UsageReader:
        spec = self._spec
        return UsageReader(self._run, self._study_id, spec.metrics, replicates=spec.has_replicates)

    def _current_budget(self) -> BudgetSpec:
        """The current budget, which may change while the study runs; without trials, which the claim checks."""
        settings = read_settings(self._run, self._study_id)
        if settings is not None and settings.spec is not None and settings.spec_hash != self._spec_hash:
            self._spec_hash = settings.spec_hash
            before = self._spec
            try:
                self._spec = read_study_data(settings.spec)
            except StudyFileError as error:
                log_event(
                    "warning",
                    f"the study has settings of a newer hpotool, so this worker keeps the old limits: {error}",
                )
            if self._spec.has_replicates != before.has_replicates:
                self._reader = self._new_reader()
        budget = vars(self._spec.budget) | {"trials": None}
        return BudgetSpec(**budget)


def has_monitored_limits(budget: BudgetSpec) -> bool:
    """Whether there is a limit besides the number of trials."""
    limits = (budget.wall, budget.gpu_hours, budget.cost, budget.patience, budget.failed)
    return bool(budget.target) or any(limit is not None for limit in limits)


def check_price(budget: BudgetSpec, slot: str) -> None:
    """Refuse a worker whose slot has no price.

    Raises:
        InputError: the budget has a cost, but no price for this slot.
    """
    if budget.cost is not None and price_of_device(budget.prices, slot if gpus_of_slot(slot) else None) is None:
        raise InputError(
            f"the study's budget has a cost, but no price for {slot!r}",
            "add a price for part of its name, like: hpotool budget --price 'H100=2.5'",
        )
