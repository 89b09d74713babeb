"""`isolation: none`: the objective runs in the worker itself, for debuggers.

It meets the same trial as in a child process; only the way to the worker is a call instead of a channel. What an
objective does to its process it then does to the worker, and limits and captured output need a child process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol

from optuna.exceptions import UpdateFinishedTrialError

from hpotool.errors import DatabaseUnreachableError
from hpotool.study.outcome import Outcome
from hpotool.study.spec import ObjectiveSpec
from hpotool.worker.child import call_objective
from hpotool.worker.messages import Job
from hpotool.worker.objective_trial import ObjectiveTrial
from hpotool.worker.reference import load_objective
from hpotool.worker.trial_server import TrialServer


class Stoppable(Protocol):
    """The attempt that the call is part of."""

    def is_asked_to_stop(self) -> bool:
        """Whether it was asked to stop."""

    def stop(self, outcome: Outcome, reason: str, grace: timedelta = ...) -> None:
        """Ask it to stop."""


class CallLink:
    """The way to the trial's server when it is in the same process.

    What ends the attempt rather than the objective's call is noted with the attempt, and ends the objective too.
    """

    def __init__(self, server: TrialServer, attempt: Stoppable) -> None:
        self._server = server
        self._attempt = attempt

    def ask(self, request: dict[str, Any], within_s: float | None = None, default: Any = None) -> Any:
        """Ask; there is nothing to wait for but the storage itself."""
        try:
            answer, error = self._server.answer(request)
        except UpdateFinishedTrialError:
            self._attempt.stop(Outcome.CANCELLED, "its trial belongs to another attempt by now")
            raise
        except DatabaseUnreachableError as away:
            self._attempt.stop(Outcome.PREEMPTED, away.message)
            raise
        if error is not None:
            raise error
        return answer

    def tell(self, request: dict[str, Any]) -> None:
        """Tell, and meet the error, if there is one, on the spot."""
        self.ask(request)


def call_in_process(job: Job, objective: ObjectiveSpec, server: TrialServer, attempt: Stoppable) -> dict[str, Any]:
    """Call the objective here and say how that ended, as a child's last message would."""
    is_stopping: Callable[[], bool] = attempt.is_asked_to_stop
    trial = ObjectiveTrial(job, CallLink(server, attempt), is_stopping)
    os.environ.update(job.environment)
    return call_objective(job, lambda: load_objective(objective.python or ""), trial, is_stopping)
