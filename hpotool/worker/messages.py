"""What a worker says to its fork server, and what an attempt's child is told at its birth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from hpotool.study.outcome import Outcome
from hpotool.study.spec import ObjectiveSpec, ParameterSpec


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
    space: tuple[ParameterSpec, ...] = ()  # the study file's parameters, whether this trial has them or not
    seed: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    returned_file: Path | None = None  # what the objective returns is put there before the worker is told


class AttemptEnded(Exception):  # noqa: N818 (an ending, not always an error)
    """Raised by hpotool's own objectives (commands) to end the attempt with an outcome of their choice.

    ``values``: what the command returned all the same, when ``reason`` is only a remark on it.
    """

    def __init__(self, outcome: Outcome, reason: str, values: Mapping[str, float] | None = None) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.values = values


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
