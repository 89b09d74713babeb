"""How an attempt can end, and what each ending means for the trial."""

from __future__ import annotations

from enum import Enum

# The system attribute of a failed trial that says how its parameters made it fail, once nothing more is tried.
FAILED_ATTRIBUTE = "hpotool:failed"


class Outcome(str, Enum):
    """How one attempt of a trial ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    ERROR = "error"
    OOM = "oom"
    NAN = "nan"
    CRASH = "crash"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    PREEMPTED = "preempted"
    LOST = "lost"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # what a newer hpotool wrote; it counts neither for nor against a trial or a worker

    @classmethod
    def _missing_(cls, value: object) -> Outcome | None:
        return cls.UNKNOWN if isinstance(value, str) else None

    @property
    def is_finished(self) -> bool:
        """Whether the trial has a result that counts towards ``budget.trials``."""
        return self in (Outcome.COMPLETE, Outcome.PRUNED)

    @property
    def blames_parameters(self) -> bool:
        """Whether the trial's parameters are the likeliest cause, not a machine, a person or chance."""
        return self in (Outcome.ERROR, Outcome.CRASH, Outcome.NAN, Outcome.OOM, Outcome.TIMEOUT)
