from __future__ import annotations

from collections.abc import Sequence

from hpotool.launch.job import Job
from hpotool.launch.plan import Step
from hpotool.launch.request import Request
from hpotool.launch.target import Begun, Cargo, Target, replace_workers, surplus
from tests.unit.launch.requests import CODE, VARIABLES, request


class Counting(Target):
    name = "counting"

    def steps(self, request: Request, cargo: Cargo, jobs: Sequence[Job] = ()) -> list[Step]:
        return [Step("start", ("start", str(request.workers)))]

    def look(self, request: Request, names: Sequence[str]) -> list[Job]:
        return []

    def end(self, request: Request, jobs: Sequence[Job]) -> None:
        self._run(Step("end", ("end", *(job.name for job in jobs))))


RUNNING = [Job(f"r{number}", "running") for number in range(3)]
WAITING = Job("p", "pending")


def test_more_are_started_and_too_many_are_named() -> None:
    steps: list[Step] = []
    target = Counting(lambda step: steps.append(step) or "")  # type: ignore[func-returns-value]
    cargo = Cargo(CODE, VARIABLES)
    assert target.resize(request("x"), cargo, RUNNING, 5) == Begun()
    assert [step.argv for step in steps] == [("start", "2")]
    assert target.resize(request("x"), cargo, RUNNING, 1) == RUNNING[1:]
    assert target.resize(request("x"), cargo, RUNNING, 3) == []


def test_who_waits_goes_first_then_the_youngest() -> None:
    assert surplus([RUNNING[0], WAITING, *RUNNING[1:]], 2) == [RUNNING[2], WAITING]
    assert surplus([RUNNING[0], WAITING, *RUNNING[1:]], 3) == [WAITING]


def test_another_number_changes_nothing_else() -> None:
    asked = request("x", worker_options=("--no-breaker",))
    assert replace_workers(asked, 9).workers == 9
    assert replace_workers(replace_workers(asked, 9), 3) == asked
