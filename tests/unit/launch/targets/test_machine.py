from __future__ import annotations

from pathlib import Path

from hpotool.launch.job import Job
from hpotool.launch.plan import Step
from hpotool.launch.target import Cargo
from hpotool.launch.targets.machine import MachineTarget, launch_folder
from tests.unit.launch.requests import CODE, VARIABLES, request

CARGO = Cargo(CODE, VARIABLES)


def test_a_plan_writes_only_into_the_launchs_own_folder_and_hides_the_secret(hpotool_home: Path) -> None:
    steps = MachineTarget().steps(request("local", workers=2), CARGO)
    folder = str(launch_folder("local-0a1b2c"))
    assert folder.startswith(str(hpotool_home))
    assert [folder in " ".join(step.argv) + step.reads.decode() for step in steps] == [True] * 3
    assert not [step for step in steps if "s3cret" in " ".join(step.argv) + step.as_text()]
    assert steps[0].argv[-1].startswith("umask 077; ")
    assert steps[-1].reads.decode().count("\nsetsid -f") == 2


def test_workers_on_top_take_the_gpus_that_are_free() -> None:
    running = [Job("here/w1", "running"), Job("here/w3", "running")]
    script = MachineTarget().steps(request("local", workers=2), CARGO, running)[-1].reads.decode()
    starts = [line.split()[5:7] for line in script.splitlines() if line.startswith("setsid")]
    assert starts == [["w2", "1"], ["w4", "3"]]


def test_it_looks_and_ends_by_the_shell_of_this_machine() -> None:
    asked: list[Step] = []

    def run(step: Step) -> str:
        asked.append(step)
        return "w1\truns\thello\nw2\tended 3\tno such study\n"

    target = MachineTarget(run)
    first, second = target.look(request("local"), ())
    assert (first.name, first.state) == ("here/w1", "running")
    assert (second.state, second.why) == ("ended", "exit code 3: no such study")
    target.end(request("local"), [first])
    assert b"w1.pid" in asked[-1].reads
