"""What a worker says to its fork server, and what an attempt's child is told at its birth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class StudyView:
    """What an objective can see of its study without asking the worker."""

    name: str
    directions: tuple[StudyDirection, ...]
    metric_names: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """One attempt: the trial as it is when the attempt starts, and what belongs to it."""

    trial: FrozenTrial
    study: StudyView
    seed: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


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
