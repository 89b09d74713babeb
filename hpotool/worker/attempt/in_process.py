"""`isolation: none`: the objective runs in the worker itself, for debugging.

It uses the same trial as in a child process, but reaches the worker by a call instead of a channel. Whatever the
objective does to its process affects the worker. Limits and captured output are only available in a child process.
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

_NEEDS_A_PROCESS = "with isolation: none, a trial cannot be used in another process; use isolation: process"


class Stoppable(Protocol):
    """The attempt to which the call belongs."""

    def is_asked_to_stop(self) -> bool:
        """Whether the attempt was asked to stop."""

    def stop(self, outcome: Outcome, reason: str, grace: timedelta = ...) -> None:
        """Ask the attempt to stop."""


class CallLink:
    """The link to the trial's server in the same process. It cannot be passed to another process.

    An error that ends the attempt, rather than one call, is recorded with the attempt and also ends the objective.
    """

    def __init__(self, server: TrialServer, attempt: Stoppable) -> None:
        self._server = server
        self._attempt = attempt
        self._pid = os.getpid()

    def ask(self, request: dict[str, Any], within_s: float | None = None, default: Any = None) -> Any:
        """Ask a question; only the storage itself can make this wait.

        Raises:
            RuntimeError: in a forked process, which must not use its parent's connection.
        """
        if os.getpid() != self._pid:
            raise RuntimeError(_NEEDS_A_PROCESS)
        try:
            answer, error = self._server.answer({**request, "id": 0})
        except UpdateFinishedTrialError:
            self._attempt.stop(Outcome.CANCELLED, "its trial now belongs to another attempt")
            raise
        except DatabaseUnreachableError as away:
            self._attempt.stop(Outcome.PREEMPTED, away.message)
            raise
        if error is not None:
            raise error
        # A copy, as through a channel: the objective must not change the worker's data.
        return copy.deepcopy(answer)

    def tell(self, request: dict[str, Any]) -> None:
        """Send a message; an error is raised immediately."""
        self.ask(request)

    def __deepcopy__(self, _: Mapping[int, Any]) -> CallLink:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(_NEEDS_A_PROCESS)


def call_in_process(job: Job, objective: ObjectiveSpec, server: TrialServer, attempt: Stoppable) -> dict[str, Any]:
    """Call the objective in this process; return its end in the form of a child's last message.

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
    """Whether the attempt was asked to stop. A copied trial refers to the same attempt."""

    def __init__(self, attempt: Stoppable) -> None:
        self._attempt = attempt

    def __call__(self) -> bool:
        return self._attempt.is_asked_to_stop()

    def __deepcopy__(self, _: Mapping[int, Any]) -> _Asked:
        return self
