"""How an attempt can end, and what each ending means for its trial and its worker: the one place that says so.

``retry`` in the study file, the decisions of ``study.rules.retry`` and the tables in the docs follow from these
declarations.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

State = Literal["COMPLETE", "PRUNED", "FAIL"]


class Blame(Enum):
    """What an ending speaks against."""

    PARAMETERS = "the parameters"
    WORKER = "the worker it ended on, unless the same parameters end so elsewhere too"
    NOBODY = "nobody"


@dataclass(frozen=True)
class Facts:
    """What follows from one outcome.

    Attributes:
        meaning: when it is the outcome
        state: Optuna's state of the trial
        retries: how often a trial is tried again by default; None where that is not counted
        blames: what it speaks against
        shows_worker: its worker is fit to run attempts
        hands_back: the trial goes back to the queue, uncounted
        consequence: what is said to follow where no retry is counted
        after_failure: completes "how often … is tried again", where retries are counted
        is_silent: ``retry`` does not store it while it has its default. Every counted outcome that is younger than
            the first release is: a study from before it keeps its hash.
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


# The system attribute of a failed trial that says how its parameters made it fail, once nothing more is tried.
FAILED_ATTRIBUTE = "hpotool:failed"


class Outcome(str, Enum):
    """How one attempt of a trial ended. Stored and sent by its value."""

    _value_: str
    facts: Facts

    def __new__(cls, value: str, facts: Facts = Facts("")) -> Outcome:
        """The member ``value``, which carries what follows from it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.facts = facts
        return member

    COMPLETE = (
        "complete",
        Facts(
            "values for all metrics; it counts whatever happens to the process afterwards",
            "COMPLETE",
            shows_worker=True,
        ),
    )
    PRUNED = (
        "pruned",
        Facts(
            "`TrialPruned`, a command that was pruned, or one that said it is infeasible",
            "PRUNED",
            shows_worker=True,
        ),
    )
    LOST = (
        "lost",
        Facts(
            "no heartbeat: told by another worker",
            retries=3,
            after_failure="a trial whose worker fell silent",
        ),
    )
    CRASH = (
        "crash",
        Facts(
            "the process was ended by a signal, which is named",
            retries=1,
            blames=Blame.WORKER,
            after_failure="a trial whose process died",
        ),
    )
    ERROR = (
        "error",
        Facts(
            "an exception, `sys.exit`, something returned that is no value, or a process that ended with an exit "
            "code and no result",
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
            "it ran longer than `timeout`; the log ends with what every Python thread was doing",
            retries=0,
            blames=Blame.PARAMETERS,
            after_failure="a trial that took too long",
        ),
    )
    STALLED = (
        "stalled",
        Facts(
            "it reported nothing for longer than `stall`; the log ends as after a timeout",
            retries=1,
            after_failure="a trial that reported nothing for too long",
        ),
    )
    PREEMPTED = (
        "preempted",
        Facts(
            "asked to stop (SIGTERM, Slurm, a spot machine), and it did, or its grace was over",
            hands_back=True,
            consequence="preempted; handed back, not counted",
        ),
    )
    CANCELLED = (
        "cancelled",
        Facts(
            "`hpotool stop --trial`, or its trial belongs to another attempt",
            consequence="cancelled on request",
        ),
    )
    UNKNOWN = (
        "unknown",
        Facts(
            "what a newer hpotool wrote; it counts neither for nor against a trial or a worker",
            consequence="ended in a way that only a newer hpotool knows",
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
        """Whether the trial's parameters are the likeliest cause, not a machine, a person or chance."""
        return self.facts.blames is not Blame.NOBODY


COUNTED = {  # the keys of ``retry``, in their order
    outcome: outcome.facts.retries for outcome in Outcome if outcome.facts.retries is not None
}
