"""The outcomes of an attempt, and what each means for its trial and its worker.

These declarations are the only list of outcomes: ``retry`` in the study file, the decisions of
``study.rules.retry`` and the tables in the docs follow from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

State = Literal["COMPLETE", "PRUNED", "FAIL"]


class Blame(Enum):
    """What is at fault for an outcome."""

    PARAMETERS = "the parameters"
    WORKER = "the worker, unless the same parameters also fail on other workers"
    NOBODY = "nobody"


@dataclass(frozen=True)
class Facts:
    """The consequences of one outcome.

    Attributes:
        meaning: when an attempt has this outcome
        state: Optuna's state of the trial
        retries: the default number of retries; None if retries are not counted
        blames: what is at fault
        shows_worker: the outcome shows that its worker is able to run attempts
        hands_back: the trial goes back to the queue, uncounted
        consequence: what happens next, in words, if retries are not counted
        after_failure: completes "how often … is retried", if retries are counted
        is_silent: ``retry`` does not store this outcome while it has its default. Needed for every counted outcome
            that was added after the first release, so that older studies keep their hash.
    """

    meaning: str
    state: State = "FAIL"
    retries: int | None = None
    blames: Blame = Blame.NOBODY
    shows_worker: bool = False
    hands_back: bool = False
    consequence: str = ""
    after_failure: str = ""
    is_silent: bool = False


# The system attribute that records how a trial's parameters made it fail, set once it is not retried any more.
FAILED_ATTRIBUTE = "hpotool:failed"


class Outcome(str, Enum):
    """How one attempt of a trial ended. Stored and sent by its value."""

    _value_: str
    facts: Facts

    def __new__(cls, value: str, facts: Facts = Facts("")) -> Outcome:
        """Return the member ``value`` with its facts."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.facts = facts
        return member

    COMPLETE = (
        "complete",
        Facts(
            "values for all metrics; they count whatever happens to the process afterwards",
            "COMPLETE",
            shows_worker=True,
        ),
    )
    PRUNED = (
        "pruned",
        Facts(
            "`TrialPruned`, a command that was pruned, or one that reported infeasible parameters",
            "PRUNED",
            shows_worker=True,
        ),
    )
    LOST = (
        "lost",
        Facts(
            "its worker sent no heartbeat; recorded by another worker",
            retries=3,
            after_failure="a trial whose worker fell silent",
        ),
    )
    CRASH = (
        "crash",
        Facts(
            "a signal ended the process; the reason names it",
            retries=1,
            blames=Blame.WORKER,
            after_failure="a trial whose process died",
        ),
    )
    ERROR = (
        "error",
        Facts(
            "an exception, `sys.exit`, an invalid return value, or a process that exited with a code and without "
            "a result",
            retries=0,
            blames=Blame.WORKER,
            after_failure="a trial whose objective raised",
        ),
    )
    OOM = (
        "oom",
        Facts(
            "`MemoryError`, CUDA out of memory (PyTorch, XGBoost, …), more than `max_memory`, or the kernel's OOM "
            "killer",
            retries=0,
            blames=Blame.WORKER,
            after_failure="a trial that ran out of memory",
        ),
    )
    NAN = (
        "nan",
        Facts(
            "a value that is not a number",
            retries=0,
            blames=Blame.PARAMETERS,
            shows_worker=True,
            after_failure="a trial whose value was not a number",
        ),
    )
    TIMEOUT = (
        "timeout",
        Facts(
            "it ran longer than `timeout`; the log ends with the stack of every Python thread",
            retries=0,
            blames=Blame.PARAMETERS,
            after_failure="a trial that took too long",
        ),
    )
    STALLED = (
        "stalled",
        Facts(
            "it reported nothing for longer than `stall`; the log ends as for `timeout`",
            retries=1,
            after_failure="a trial that reported nothing for too long",
        ),
    )
    PREEMPTED = (
        "preempted",
        Facts(
            "it was asked to stop (SIGTERM, Slurm, a spot machine) and did, or its grace period ended; or "
            "it failed on a GPU with errors",
            hands_back=True,
            consequence="preempted; handed back, not counted",
        ),
    )
    CANCELLED = (
        "cancelled",
        Facts(
            "`hpotool stop --trial`, or its trial now belongs to another attempt",
            consequence="cancelled on request",
        ),
    )
    UNKNOWN = (
        "unknown",
        Facts(
            "written by a newer hpotool; it counts neither for nor against a trial or a worker",
            consequence="ended with an outcome that only a newer hpotool knows",
        ),
    )

    @classmethod
    def _missing_(cls, value: object) -> Outcome | None:
        return cls.UNKNOWN if isinstance(value, str) else None

    @property
    def is_finished(self) -> bool:
        """Whether the trial has a result that counts towards ``budget.trials``."""
        return self.facts.state != "FAIL"

    @property
    def blames_parameters(self) -> bool:
        """Whether the trial's parameters are the most likely cause, rather than a machine, a person or chance."""
        return self.facts.blames is not Blame.NOBODY


COUNTED = {  # the keys of ``retry``, in their order
    outcome: outcome.facts.retries for outcome in Outcome if outcome.facts.retries is not None
}
