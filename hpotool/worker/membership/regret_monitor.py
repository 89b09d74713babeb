"""Ends the study for all workers when further search can hardly gain anything: ``budget: {regret: …}``.

One worker of the fleet estimates it, in a thread beside its trials; when that worker is gone, another one does.
The estimate depends on finished trials alone (`study/rules/regret.py`), so all would decide the same. The decision
is taken once: whoever takes it marks the study as done, with an event that says why.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta

from optuna import Study

from hpotool.errors import DatabaseUnreachableError, HpotoolError
from hpotool.search.regret.looks import RegretLooks
from hpotool.storage.control.orders import finish_study
from hpotool.storage.fleet.attempts import Run
from hpotool.storage.tracking.jobs import Job, is_job_free, release_job, take_job
from hpotool.study.rules.budget import Usage, reached_limit
from hpotool.study.rules.regret import Regret
from hpotool.study.spec import BudgetSpec, StudySpec
from hpotool.worker.log import log_event
from hpotool.worker.membership.side_threads import Step

JOB_NAME = "regret"
_NICENESS = 10


class RegretMonitor:
    """Looks at the trials of one study now and then, if it has this limit; ``step`` is called by a side thread.

    ``current_spec`` gives the settings, which may change while the study runs. ``open_study`` opens the study on a
    connection of the thread's own: trials wait for nothing that happens here. ``last_run`` is for `close`, and
    waits for no database.
    """

    def __init__(
        self,
        run: Run,
        last_run: Run,
        study_id: int,
        actor: str,
        interval: timedelta,
        held_for: timedelta,
        current_spec: Callable[[], StudySpec],
        open_study: Callable[[], Study],
    ) -> None:
        self._run = run
        self._last_run = last_run
        self._study_id = study_id
        self._job = Job(study_id, JOB_NAME, actor)
        self._interval_s = interval.total_seconds()
        self._held_for = held_for
        self._current_spec = current_spec
        self._open_study = open_study
        self._study: Study | None = None
        self._looks: RegretLooks | None = None
        self._is_closed = False

    def __enter__(self) -> RegretMonitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def steps(self) -> Mapping[str, Step]:
        """What a side thread calls; the limit may be set while the study runs, so it is always looked for."""
        return {"regret": self.step}

    def step(self) -> float:
        """Look once, if the study has the limit; return the seconds until the next look."""
        limit = self._current_spec().budget.regret
        if limit is not None and not self._is_closed:
            with suppress(DatabaseUnreachableError):  # the heartbeat reports this; an outage ends nothing
                self.look(limit)
        return self._interval_s

    def look(self, limit: float) -> None:
        """End the study if the gain is hardly more than ``limit``, and if this worker is the one to look.

        Raises:
            DatabaseUnreachableError: the database is away.
        """
        if not (is_job_free(self._run, self._job) and take_job(self._run, self._job, self._held_for)):
            return
        spec = self._current_spec()
        reached = reached_limit(BudgetSpec(regret=limit), spec.metrics, Usage(regret=self._judge(spec)))
        if reached is None:
            return
        reason = f"budget.{reached.key}: {reached.reason}"
        if finish_study(self._run, self._study_id, reason, self._job.holder):
            log_event("done", f"the study is done: {reason}", limit=reached.key)

    def close(self) -> None:
        """Let another worker go on at once."""
        self._is_closed = True
        if self._study is not None:
            with suppress(HpotoolError):  # if the database is away, another worker goes on a little later
                release_job(self._last_run, self._job)

    def _judge(self, spec: StudySpec) -> tuple[Regret | None, ...]:
        if self._study is None:
            _let_trials_go_first()
            self._study = self._open_study()
        if self._looks is None or self._looks.space != spec.search_space:
            self._looks = RegretLooks(self._study.direction, spec.search_space)
        return self._looks.judge(self._study.get_trials(deepcopy=False))


def _let_trials_go_first() -> None:
    """Lower the priority of this thread, where a thread has one of its own."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
