"""The messages between a worker, its fork server and an attempt's processes."""

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

# The system attributes that an objective may set: its constraints, and those of two integrations. All others
# control samplers, pruners and workers, and some are unpickled there (``cma:``).
CONSTRAINT_ATTRIBUTE = "constraints:"
OWN_SYSTEM_ATTRIBUTES = (CONSTRAINT_ATTRIBUTE, "ddp_pl:", "mlflow_run_id")

REPORTS_ATTRIBUTE = "hpotool:reports:"


@dataclass(frozen=True)
class StudyView:
    """The facts about a study that an objective can read without asking the worker."""

    name: str
    directions: tuple[StudyDirection, ...]
    metric_names: tuple[str, ...]
    constraint_names: tuple[str, ...]
    pruning_metric: str
    sampler: str = "auto"  # its name in the study file
    pruner: str = "none"


@dataclass(frozen=True)
class Job:
    """One attempt: the trial as it is when the attempt starts, and its other inputs."""

    trial: FrozenTrial
    study: StudyView
    objective: ObjectiveSpec
    space: tuple[ParameterSpec, ...] = ()  # the study file's parameters, whether this trial has them or not
    seed: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    returned_file: Path | None = None  # the return value is written there before the worker is told
    address: str | None = None  # the address for further processes of the attempt


class AttemptEnded(Exception):  # noqa: N818 (an ending, not always an error)
    """Raised by hpotool's own objectives (commands) to end the attempt with a certain outcome.

    ``values``: the values that the command returned, if ``reason`` is only a remark.
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
    """SIGKILL the attempt and all its descendants."""


def read_message(body: bytes) -> dict[str, Any]:
    """Parse a message from a process of an attempt: a request ({"do": …}), or the attempt's end ({"end": …}).

    ``at`` is the time in nanoseconds of the machine's monotonic clock, which all its processes share.

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
    """Parse a message from a fork server, whose process also contains the objective's module.

    Raises:
        ChannelGarbled: it is not a valid message of a fork server.
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
