"""What is to be launched, on whatever target: plain data that is stored with the launch. It holds no secret."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from hpotool.errors import InputError
from hpotool.study.units import format_duration
from hpotool.study.wording import format_limit

GRACE_S = 30.0  # of a worker for its attempt's checkpoint, where nothing kills it sooner
HAND_BACK_S = 10.0  # on top of the grace: handing back took 1 to 2 s on a busy machine, and a kill loses the trial
LEAST_GRACE_S = 5.0


@dataclass(frozen=True)
class Request:
    """Workers of one study that are to run somewhere.

    Attributes:
        hpotool: the program to start there.
        code: the folder to run in; of a target with images, None: the image's own.
        code_hash: what is in it, as the workers compare it; None: they do not.
        checkpoints: a folder or URL that all of them see.
        grace_s: how long an attempt that is told to stop may take for its checkpoint.
        worker_options: more words for ``hpotool worker``; of two the last one counts.
        options: what only this target knows, as JSON data.
        pool: the workers serve this pool; ``study`` is one of it, with which the launch is recorded.
    """

    launch_id: str
    target: str
    study: str
    workers: int
    gpus: int
    hpotool: str
    code: str | None = None
    code_hash: str | None = None
    checkpoints: str | None = None
    grace_s: float = GRACE_S
    worker_options: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    pool: str | None = None

    def as_data(self) -> dict[str, Any]:
        """The request as it is stored."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Request:
        """The request that `as_data` wrote; keys of a younger hpotool are left out."""
        known = {name: value for name, value in data.items() if name in cls.__dataclass_fields__}
        return cls(**{**known, "worker_options": tuple(known.get("worker_options", ()))})

    def worker_words(self, gpu: str | None = None) -> list[str]:
        """The worker's argument list, on the GPUs that ``gpu`` names; by default the first ones that it sees."""
        serves = ["--pool", self.pool] if self.pool else ["--study", self.study]
        words = [self.hpotool, "worker", *serves, "--gpu", gpu or self.first_gpus()]
        words += ["--grace", format_duration(timedelta(seconds=self.grace_s)), "--wait-for-database", "5m"]
        words += ["--checkpoints", self.checkpoints] if self.checkpoints else []
        return [*words, *self.worker_options]

    def first_gpus(self, place: int = 0) -> str:
        """The GPUs of the worker at that place of a machine, as ``--gpu`` takes them."""
        first = place * self.gpus
        return ",".join(str(number) for number in range(first, first + self.gpus)) or "none"


def new_launch_id(target: str) -> str:
    """A name for a launch that no other has, short enough to type."""
    return f"{target}-{secrets.token_hex(3)}"


def grace_within(kill_after_s: float, who: str) -> float:
    """The grace of a worker that is killed so long after it was told to stop.

    Raises:
        InputError: there is no time for a checkpoint in it.
    """
    grace = kill_after_s - HAND_BACK_S
    if grace < LEAST_GRACE_S:
        raise InputError(
            f"{who} kills a job {format_limit(kill_after_s)} after telling it to stop, and a worker needs "
            f"{format_limit(HAND_BACK_S + LEAST_GRACE_S)} to hand its trial back",
            f"have its administrator set at least {format_limit(HAND_BACK_S + LEAST_GRACE_S)}, 60 s better",
        )
    return grace
