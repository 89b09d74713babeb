"""What a worker says to its fork server, and what an attempt's child is told at its birth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from hpotool.study.outcome import Outcome
from hpotool.study.spec import ObjectiveSpec

# What an objective may ask of its study. Anything else would let it have the storage, and with it the password.
STUDY_READS = ("user_attrs", "best_value", "best_params", "best_trial", "best_trials", "trials")

# The system attributes that an objective may set: its constraints, and the marks of two integrations. All others
# are orders to samplers, pruners and workers, and some are unpickled there (``cma:``).
CONSTRAINT_ATTRIBUTE = "constraints:"
OWN_SYSTEM_ATTRIBUTES = (CONSTRAINT_ATTRIBUTE, "ddp_pl:", "mlflow_run_id")

REPORTS_ATTRIBUTE = "hpotool:reports:"


@dataclass(frozen=True)
class StudyView:
    """What an objective can see of its study without asking the worker."""

    name: str
    directions: tuple[StudyDirection, ...]
    metric_names: tuple[str, ...]
    constraint_names: tuple[str, ...]
    pruning_metric: str


@dataclass(frozen=True)
class Job:
    """One attempt: the trial as it is when the attempt starts, and what belongs to it."""

    trial: FrozenTrial
    study: StudyView
    objective: ObjectiveSpec
    space: tuple[str, ...] = ()  # every parameter of the study file, whether this trial has it or not
    seed: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    returned_file: Path | None = None  # what the objective returns is put there before the worker is told


class AttemptEnded(Exception):  # noqa: N818 (an ending, not always an error)
    """Raised by hpotool's own objectives (commands) to end the attempt with an outcome of their choice."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


@dataclass(frozen=True)
class StartAttempt:
    """Fork a child for ``job``. The file descriptors of its channel and its log follow this message."""

    job: Job


@dataclass(frozen=True)
class Signal:
    """Send ``number`` to the attempt's leading process."""

    number: int


@dataclass(frozen=True)
class Kill:
    """SIGKILL the attempt and everything below it."""
