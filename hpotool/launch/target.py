"""What every target can do: say what it would run, run it, look at it, and end it.

A target keeps nothing: all that it knows of a launch is the request that was stored and the names of its jobs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hpotool.launch.code import Code
from hpotool.launch.job import Job
from hpotool.launch.plan import Runner, Step, run_step
from hpotool.launch.request import Request


@dataclass(frozen=True)
class Cargo:
    """What goes along with a request and is not stored with it: the code's files, and the workers' environment."""

    code: Code
    variables: Mapping[str, str]


@dataclass(frozen=True)
class Begun:
    """What came of a start: the scheduler's names for it, and what failed where."""

    jobs: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)


class Target(ABC):
    """A place where workers can be started. ``run`` carries out a step."""

    name: str
    is_elsewhere = True  # its machines are not this one: they need an address of the database that they can reach
    has_own_code = False  # it brings the code along, in an image

    def __init__(self, run: Runner = run_step) -> None:
        self._run = run

    def prepare(self, request: Request) -> Request:
        """The request as the system can fulfil it; it is asked for its limits, and nothing is started.

        Raises:
            InputError: it cannot.
        """
        return request

    def avoid(self, request: Request, jobs: Sequence[Job]) -> Request:
        """The request without the machines that ``jobs`` show to be away."""
        return request

    @abstractmethod
    def steps(self, request: Request, cargo: Cargo, jobs: Sequence[Job] = ()) -> list[Step]:
        """All that starting would run; ``jobs`` are the places that are open already."""

    def start(self, request: Request, cargo: Cargo, jobs: Sequence[Job] = ()) -> Begun:
        """Start the workers."""
        for step in self.steps(request, cargo, jobs):
            self._run(step)
        return Begun()

    @abstractmethod
    def look(self, request: Request, names: Sequence[str]) -> list[Job]:
        """What the system says of the launch; ``names`` are those that `start` answered."""

    @abstractmethod
    def end(self, request: Request, jobs: Sequence[Job]) -> None:
        """End these places, from outside: a worker there hands its trial back."""

    def stop(self, request: Request, names: Sequence[str], jobs: Sequence[Job]) -> None:
        """End the launch as a whole. Its workers have been told through the database already."""
        self.end(request, jobs)

    def resize(self, request: Request, cargo: Cargo, jobs: Sequence[Job], wanted: int) -> Begun | list[Job]:
        """Have ``wanted`` places: what was started on top, or which places are too many."""
        if wanted > len(jobs):
            return self.start(replace_workers(request, wanted - len(jobs)), cargo, jobs)
        return surplus(jobs, wanted)


def replace_workers(request: Request, workers: int) -> Request:
    """The same for another number of workers."""
    return Request.from_data({**request.as_data(), "workers": workers})


def surplus(jobs: Sequence[Job], wanted: int) -> list[Job]:
    """The places that are too many: those that do not run yet go first, then the youngest."""
    oldest_first = sorted(jobs, key=lambda job: job.state == "pending")
    return oldest_first[wanted:]
