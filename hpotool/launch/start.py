"""Launches as a whole: started and entered in the database, looked at, made larger or smaller, stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from hpotool.errors import HpotoolError, InputError, paste
from hpotool.launch.code import Code, read_code
from hpotool.launch.environment import refuse_loopback, worker_environment
from hpotool.launch.job import Job
from hpotool.launch.request import Request
from hpotool.launch.target import Begun, Cargo, Target
from hpotool.storage.control.launches import (
    FleetWorker,
    Launch,
    change_launch,
    record_launch,
    stop_launch,
    tell_workers,
)
from hpotool.storage.control.orders import StudySettings, count_budget, read_settings
from hpotool.storage.database.connection import open_psycopg
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Run, StudyState
from hpotool.study.wording import count_of

_OPEN = ("pending", "running")


@dataclass(frozen=True)
class Change:
    """What became of a launch: how many workers come on top, which are told to leave, and what failed where."""

    started: int = 0
    leaving: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)


def load_cargo(url: DatabaseUrl, target: Target, code_folder: Path) -> Cargo:
    """What goes along with a launch.

    Raises:
        InputError: the database cannot be reached from there, or the code is none.
    """
    if target.is_elsewhere:
        refuse_loopback(url, {"ssh": "on other hosts"}.get(target.name, f"of {target.name.title()}"))
    with closing(open_psycopg(url)) as connection:  # what a password file or PGPASSWORD gave
        password = connection.info.password
    code = Code(code_folder, (), "") if target.has_own_code else read_code(code_folder)
    return Cargo(code, worker_environment(url, password))


def check_study(run: Run, study_id: int, study: str) -> None:
    """Nothing, where workers would find something to do.

    Raises:
        InputError: they would leave at once.
    """
    settings = read_settings(run, study_id)
    if settings is None or settings.spec is None:
        raise InputError(
            f"study {study!r} has no settings that workers could run by", paste("init", "--from-study", study)
        )
    state = _state(run, settings)
    ways = {"done": "budget", "stopped": "resume", "draining": "resume"}
    if state in ways:
        way = paste(ways[state], "--study", study)
        raise InputError(f"study {study!r} is {state}: its workers would leave at once", way)


def has_work(run: Run, study_id: int) -> bool:
    """Whether workers that are missing are missed."""
    settings = read_settings(run, study_id)
    return settings is not None and _state(run, settings) in ("running", "paused")


def _state(run: Run, settings: StudySettings) -> StudyState:
    if (
        settings.budget_trials is not None
        and count_budget(run, settings.study_id).finished >= settings.budget_trials
    ):
        return "done"  # nobody has claimed since the last trial finished: a claim is what writes the state
    return settings.state


def start_launch(run: Run, study_id: int, target: Target, request: Request, cargo: Cargo, actor: str) -> Change:
    """Start the workers and enter the launch. It is entered first: a worker may register at once.

    Raises:
        HpotoolError: nothing was started; the launch is entered as stopped.
    """
    sentence = f"{count_of(request.workers, 'worker')} by {request.target} ({request.launch_id})"
    record_launch(
        run, study_id, request.launch_id, request.target, request.workers, request.as_data(), actor, sentence
    )
    try:
        begun = target.start(request, cargo)
    except HpotoolError as error:
        stop_launch(run, request.launch_id, actor, f"it failed: {error.message}")
        raise
    if begun.jobs or begun.failures:
        said = [f"job {', '.join(begun.jobs)}"] if begun.jobs else []
        said += [f"{where} failed: {why}" for where, why in begun.failures.items()]
        change_launch(run, request.launch_id, request.workers, begun.jobs, actor, "; ".join(said))
    return Change(request.workers, failures=begun.failures)


def look_at(target: Target, launch: Launch) -> list[Job]:
    """What the system says of the launch's places."""
    return target.look(Request.from_data(launch.request), launch.jobs)


def scale_launch(
    run: Run,
    study_id: int,
    target: Target,
    launch: Launch,
    cargo: Cargo,
    workers: Sequence[FleetWorker],
    wanted: int,
    actor: str,
) -> Change:
    """Have ``wanted`` workers in the launch: more are started, those that are too many hand their trial back."""
    request = _as_it_is_now(launch, cargo)
    jobs = target.look(request, launch.jobs)
    open_jobs = [job for job in jobs if job.state in _OPEN]
    resized = target.resize(target.avoid(request, jobs), cargo, open_jobs, wanted)
    if isinstance(resized, Begun):
        change_launch(run, launch.launch_id, wanted, resized.jobs, actor, f"{count_of(wanted, 'worker')} wanted")
        return Change(max(0, wanted - len(open_jobs)), failures=resized.failures)
    told = _end_places(run, study_id, target, request, workers, resized)
    change_launch(run, launch.launch_id, wanted, (), actor, f"{count_of(wanted, 'worker')} wanted")
    return Change(leaving=tuple(told))


def end_launch(
    run: Run, target: Target, launch: Launch, workers: Sequence[FleetWorker], actor: str
) -> Literal["stopped"] | str:
    """Stop the launch: its workers hand their trials back and leave, what waits is taken out of the queue.

    The database tells them first, so that it holds also where the system does not answer; the answer is then why.
    """
    request = Request.from_data(launch.request)
    stop_launch(run, launch.launch_id, actor, f"{launch.launch_id} is stopped")
    heard = {worker.job for worker in workers if worker.launch_id == launch.launch_id and not worker.has_ended}
    try:
        jobs = target.look(request, launch.jobs)
        silent = [job for job in jobs if job.state in _OPEN and job.name not in heard]
        target.stop(request, launch.jobs, jobs if target.name == "slurm" else silent)
    except HpotoolError as error:
        return error.message
    away = [job.where for job in jobs if job.state == "unknown"]
    return f"no answer from {', '.join(away)}" if away else "stopped"


def _end_places(
    run: Run, study_id: int, target: Target, request: Request, workers: Sequence[FleetWorker], jobs: Sequence[Job]
) -> list[str]:
    """End these places: by the database where a worker is there to hear it, else from outside."""
    names = {job.name for job in jobs}
    here = [
        worker
        for worker in workers
        if worker.launch_id == request.launch_id and worker.job in names and not worker.has_ended
    ]
    told = tell_workers(run, study_id, [worker.worker_id for worker in here])
    target.end(request, [job for job in jobs if job.name not in {worker.job for worker in here}])
    return told


def _as_it_is_now(launch: Launch, cargo: Cargo) -> Request:
    """The stored request with the code of today: what comes on top may be newer than what runs."""
    request = Request.from_data(launch.request)
    return replace(request, code_hash=cargo.code.hash or None)
