"""Run a worker in this process, or wait for a study: for notebooks, Ray tasks and pipelines."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from hpotool.api.studies import choose_study, database_url
from hpotool.errors import DatabaseUnreachableError, InputError, paste
from hpotool.storage.control.studies import StudyProgress, list_studies, read_progress
from hpotool.study.units import parse_duration

if TYPE_CHECKING:
    from optuna import Study

    from hpotool.api.studies import ChosenStudy
    from hpotool.storage.database.url import DatabaseUrl
    from hpotool.storage.optuna.postgres import PostgresStorage
    from hpotool.worker.loop import Departure

logger = logging.getLogger("hpotool")
Duration = str | timedelta
_OVER = ("done", "stopped")


def run_worker(
    study: str | Study | None = None,
    gpu: str | int | None = None,
    *,
    storage: str | PostgresStorage | None = None,
    checkpoints: str | None = None,
    grace: Duration = "30s",
    give_up_after: Duration | None = None,
    breaker: bool = True,
    pool: str | None = None,
    stay: bool = False,
) -> Departure:
    """Run a worker in this process, like ``hpotool worker``, and return the reason why it left.

    Attempts run in separate processes. In the main thread, Ctrl-C (a notebook's stop button) and SIGTERM work as
    for the command; in other threads, use ``hpotool drain`` to end it. If no logging is configured, the worker
    logs to stderr.

    Args:
        study: its name, or the study itself. Default: HPOTOOL_STUDY, or the only study in the database.
        gpu: as ``--gpu``: "none", 0, "0,1", a UUID or a MIG name. Default: the only GPU, else none.
        storage: the database's URL, or an open storage. Default: the database that ``hpotool`` uses.
        checkpoints: the folder or fsspec URL for checkpoints, shared by all machines.
        grace: the time for an attempt to save its checkpoint when it is asked to stop.
        give_up_after: leave after a database outage of this length. Default: wait as long as it takes.
        breaker: leave if everything fails on this worker but not on others.
        pool: serve the studies of this pool instead of one study.
        stay: with ``pool``, wait for more when every study of it is done.

    Raises:
        NotFoundError: there is no such study, or it was created by plain Optuna and has no study file yet.
        InputError: the objective cannot be imported, or there is no such GPU, or there are several.
        GaveUpError: the database outage lasted too long.
    """
    from hpotool.worker import start
    from hpotool.worker.allowed import Allowed
    from hpotool.worker.gpu import DeviceMeter, Nvml, choose_slots
    from hpotool.worker.pool import start_pool
    from hpotool.worker.serving.options import WorkerOptions

    if pool is not None and study is not None:
        raise InputError("a worker serves one study, or with pool all of a pool", f"run_worker(pool={pool!r})")
    if stay and pool is None:
        raise InputError("stay is for workers of a pool", 'run_worker(pool="NAME", stay=True)')
    url, name = _served(study, storage, pool)
    nvml = Nvml()
    slots = choose_slots(None if gpu is None else str(gpu), nvml)
    if len(slots) > 1:
        raise InputError(
            f"one process runs one worker, but this machine has {len(slots)} GPUs", "run_worker(gpu=0)"
        )
    options = WorkerOptions(
        slots[0],
        DeviceMeter(nvml, slots[0]),
        nvml,
        checkpoints,
        grace=_duration("grace", grace),
        give_up_after=None if give_up_after is None else _duration("give_up_after", give_up_after),
        has_breaker=breaker,
        allowed=Allowed.read(()),
    )
    run = start.run_worker if pool is None else partial(start_pool.run_pool_worker, stays=stay)
    with _heard_on_stderr():
        return run(url, name, options)


def _served(
    study: str | Study | None, storage: str | PostgresStorage | None, pool: str | None
) -> tuple[DatabaseUrl, str]:
    """The database, and the name of what is served in it."""
    if pool is not None:
        return database_url(storage), pool
    chosen = choose_study(study, storage)
    chosen.connection.close()
    return chosen.connection.url, chosen.name


def wait(
    study: str | Study | None = None,
    *,
    storage: str | PostgresStorage | None = None,
    timeout: Duration | None = None,
    interval: Duration = "1s",
) -> str:
    """Wait until the study is over and none of its trials is running; return ``done`` or ``stopped``.

    It only watches; workers run elsewhere. Database outages are waited out.

    Raises:
        TimeoutError: the study was not over in time.
        NotFoundError: there is no such study.
    """
    chosen = choose_study(study, storage)
    pause = _duration("interval", interval).total_seconds()
    until = None if timeout is None else time.monotonic() + _duration("timeout", timeout).total_seconds()
    progress = _look(chosen)
    if not _is_over(progress) and not (progress.workers or progress.pool_workers):
        logger.warning("study %r has no workers: %s", chosen.name, paste("worker", "--study", chosen.name))
    while not _is_over(progress):
        if until is not None and time.monotonic() >= until:
            raise TimeoutError(f"study {chosen.name!r} is {progress.state} after {timeout}")
        time.sleep(pause if until is None else max(0.0, min(pause, until - time.monotonic())))
        try:
            progress = _look(chosen)
        except DatabaseUnreachableError as error:
            logger.warning("%s; waiting", error.message)
    chosen.connection.close()
    return progress.state


@contextmanager
def _heard_on_stderr() -> Iterator[None]:
    """Send the worker's log to stderr, unless logging is configured."""
    import optuna

    from hpotool.worker.log import set_up_logging

    if logger.hasHandlers():
        yield
        return
    verbosity = optuna.logging.get_verbosity()
    set_up_logging("text")
    try:
        yield
    finally:
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
        optuna.logging.set_verbosity(verbosity)


def _look(chosen: ChosenStudy) -> StudyProgress:
    for summary in list_studies(chosen.connection, chosen.name):
        return read_progress(chosen.connection, summary)
    raise InputError(f"study {chosen.name!r} was deleted during the wait", "hpotool studies lists all studies")


def _is_over(progress: StudyProgress) -> bool:
    return progress.state in _OVER and not progress.summary.trials.get("RUNNING")


def _duration(name: str, given: Duration) -> timedelta:
    if isinstance(given, timedelta):
        return given
    try:
        return parse_duration(given)
    except ValueError as error:
        raise InputError(f"{name} {error}", f'write it like {name}="30s", "5m" or "2h"') from None
