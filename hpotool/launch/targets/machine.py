"""Workers on this machine that outlive the terminal; ``hpotool workers`` finds them again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from hpotool.launch.code import Code
from hpotool.launch.environment import as_shell
from hpotool.launch.job import Job
from hpotool.launch.plan import Runner, Step
from hpotool.launch.request import Request
from hpotool.launch.shell import (
    CODE_LIST,
    ENVIRONMENT,
    Place,
    next_places,
    place_of,
    read_look,
    render_end,
    render_look,
    render_start,
)
from hpotool.launch.target import Cargo, Target
from hpotool.settings import home_folder
from hpotool.study.wording import count_of

PREFIX = "here/"


def launch_folder(launch_id: str) -> Path:
    """The folder of a launch on this machine."""
    return home_folder() / "launches" / launch_id


def plan(request: Request, code: Code, variables: Mapping[str, str], taken: Sequence[str] = ()) -> list[Step]:
    """The steps that start the workers; ``taken`` are the names of places that run already."""
    folder = launch_folder(request.launch_id)
    quoted = shlex.quote(str(folder))
    write = f"umask 077; mkdir -p {quoted} && cat > {quoted}/"
    places = next_places(request, request.workers, taken)
    return [
        Step(
            "what the workers must know, readable by you alone",
            ("sh", "-c", write + ENVIRONMENT),
            as_shell(variables).encode(),
            as_shell(variables, masked=True),
        ),
        Step("which files their code is", ("sh", "-c", write + CODE_LIST), code.list_as_json().encode()),
        Step(
            f"start {count_of(len(places), 'worker')}",
            ("sh", "-s"),
            _script(request, folder, code, places).encode(),
        ),
    ]


def look(request: Request, run: Runner) -> list[Job]:
    """What becomes of the launch's processes."""
    script = render_look(shlex.quote(str(launch_folder(request.launch_id))), request.launch_id)
    return read_look(run(Step("look at the workers", ("sh", "-s"), script.encode())), PREFIX, os.uname().nodename)


def _script(request: Request, folder: Path, code: Code, places: Sequence[Place]) -> str:
    quoted = shlex.quote(str(folder))
    return render_start(
        request, quoted, shlex.quote(str(code.folder)), shlex.quote(str(folder / CODE_LIST)), PREFIX, places
    )


class MachineTarget(Target):
    """This machine."""

    name = "local"
    is_elsewhere = False

    def steps(self, request: Request, cargo: Cargo, jobs: Sequence[Job] = ()) -> list[Step]:
        """See `Target`."""
        return plan(request, cargo.code, cargo.variables, [place_of(job.name) for job in jobs])

    def look(self, request: Request, names: Sequence[str]) -> list[Job]:
        """See `Target`."""
        return look(request, self._run)

    def end(self, request: Request, jobs: Sequence[Job]) -> None:
        """See `Target`."""
        folder = shlex.quote(str(launch_folder(request.launch_id)))
        script = render_end(folder, [place_of(job.name) for job in jobs])
        self._run(Step("end workers", ("sh", "-s"), script.encode()))
