"""One place of a launch as the system sees it: a process of a machine, a task of Slurm, a pod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

JobState = Literal["pending", "running", "ended", "lost", "unknown"]


@dataclass(frozen=True)
class Job:
    """What the system says of one place of a launch.

    Attributes:
        name: the place, as the worker there calls itself (``HPOTOOL_JOB``).
        why: the system's reason, where it has one: why it does not run, or how it ended.
        where: the machine, where it is known.
    """

    name: str
    state: JobState
    why: str = ""
    where: str = ""
