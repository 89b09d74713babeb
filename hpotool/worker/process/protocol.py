"""What a worker says to its fork server, and what an attempt's child is told at its birth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from hpotool.study.outcome import Outcome
from hpotool.study.spec import ObjectiveSpec, ParameterSpec
from hpotool.worker.process.channel import ChannelGarbled

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
    sampler: str = "auto"  # as the study file names it
    pruner: str = "none"


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
    address: str | None = None  # where further processes of the attempt reach the worker


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


def read_message(body: bytes) -> dict[str, Any]:
    """What a process of an attempt has sent: a request ({"do": …}), or how the attempt ended ({"end": …}).

    ``at`` is when, in nanoseconds of the machine's monotonic clock, which all its processes share.

    Raises:
        ChannelGarbled: it is neither.
    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ChannelGarbled from error
    if not isinstance(message, dict) or not isinstance(message.get("at"), int):
        raise ChannelGarbled
    if not (_is_end(message) if "end" in message else isinstance(message.get("do"), str)):
        raise ChannelGarbled
    return message


def read_control(body: bytes) -> dict[str, Any]:
    """What a fork server has sent, which the objective's module shares its process with.

    Raises:
        ChannelGarbled: it is not what a fork server sends.
    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ChannelGarbled from error
    if not isinstance(message, dict):
        raise ChannelGarbled
    if "ended" in message and not all(isinstance(message.get(key), int) for key in ("status", "left_behind")):
        raise ChannelGarbled
    return message


def _is_end(message: Mapping[str, Any]) -> bool:
    if message["end"] not in [outcome.value for outcome in Outcome]:
        return False
    if not isinstance(message.get("reason"), (str, type(None))):
        return False
    if message["end"] != Outcome.COMPLETE.value:
        return True
    values, extra = message.get("values"), message.get("extra")
    return (
        isinstance(extra, dict) and isinstance(values, list) and all(isinstance(v, (int, float)) for v in values)
    )
