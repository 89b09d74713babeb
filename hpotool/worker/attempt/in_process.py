"""`isolation: none`: the objective runs in the worker itself, for debuggers.

It meets the same trial as in a child process; only the way to the worker is a call instead of a channel. What an
objective does to its process it then does to the worker, and limits and captured output need a child process.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NoReturn, Protocol

from optuna.exceptions import UpdateFinishedTrialError

from hpotool.errors import DatabaseUnreachableError
from hpotool.study.outcome import Outcome
from hpotool.study.spec import ObjectiveSpec
from hpotool.worker.attempt.trial_server import TrialServer
from hpotool.worker.child.entry import call_objective
from hpotool.worker.child.import_objective import load_objective
from hpotool.worker.child.objective_trial import ObjectiveTrial
from hpotool.worker.child.plain_process import fill_environment, plain_for_a_while
from hpotool.worker.process.fork_server_handle import environment_without_secrets
from hpotool.worker.process.protocol import Job

_NEEDS_A_PROCESS = "with isolation: none a trial cannot be used in another process; use isolation: process"


class Stoppable(Protocol):
    """The attempt that the call is part of."""

    def is_asked_to_stop(self) -> bool:
        """Whether it was asked to stop."""

    def stop(self, outcome: Outcome, reason: str, grace: timedelta = ...) -> None:
        """Ask it to stop."""


class CallLink:
    """The way to the trial's server when it is in the same process. It stays there.

    What ends the attempt rather than the objective's call is noted with the attempt, and ends the objective too.
    """

    def __init__(self, server: TrialServer, attempt: Stoppable) -> None:
        self._server = server
        self._attempt = attempt
        self._pid = os.getpid()

    def ask(self, request: dict[str, Any], within_s: float | None = None, default: Any = None) -> Any:
        """Ask; there is nothing to wait for but the storage itself.

        Raises:
            RuntimeError: in a forked process, which must not use its parent's connection.
        """
        if os.getpid() != self._pid:
            raise RuntimeError(_NEEDS_A_PROCESS)
        try:
            answer, error = self._server.answer({**request, "id": 0})
        except UpdateFinishedTrialError:
            self._attempt.stop(Outcome.CANCELLED, "its trial belongs to another attempt by now")
            raise
        except DatabaseUnreachableError as away:
            self._attempt.stop(Outcome.PREEMPTED, away.message)
            raise
        if error is not None:
            raise error
        # As through a channel: what the worker keeps is not the objective's to change.
        return copy.deepcopy(answer)

    def tell(self, request: dict[str, Any]) -> None:
        """Tell, and meet the error, if there is one, on the spot."""
        self.ask(request)

    def __deepcopy__(self, _: Mapping[int, Any]) -> CallLink:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(_NEEDS_A_PROCESS)


def call_in_process(job: Job, objective: ObjectiveSpec, server: TrialServer, attempt: Stoppable) -> dict[str, Any]:
    """Call the objective here and say how that ended, as a child's last message would.

    Raises:
        InputError: its environment needs a variable that is not set here.
    """
    reference = objective.python or ""
    environment = {
        **fill_environment(objective.environment, environment_without_secrets(os.environ)),
        **job.environment,
    }
    is_stopping: Callable[[], bool] = _Asked(attempt)
    trial = ObjectiveTrial(job, CallLink(server, attempt), is_stopping)
    with plain_for_a_while(reference, environment):
        return call_objective(job, lambda: load_objective(reference), trial, is_stopping)


class _Asked:
    """Whether the attempt was asked to stop. A copied trial asks the same attempt."""

    def __init__(self, attempt: Stoppable) -> None:
        self._attempt = attempt

    def __call__(self) -> bool:
        return self._attempt.is_asked_to_stop()

    def __deepcopy__(self, _: Mapping[int, Any]) -> _Asked:
        return self
