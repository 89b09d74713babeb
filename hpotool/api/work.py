"""A worker in this process, and waiting for the others': for notebooks, Ray tasks and pipelines."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from hpotool.api.studies import choose_study
from hpotool.errors import DatabaseUnreachableError, InputError, paste
from hpotool.storage.control.studies import StudyProgress, list_studies, read_progress
from hpotool.study.units import parse_duration

if TYPE_CHECKING:
    from optuna import Study

    from hpotool.api.studies import ChosenStudy
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
) -> Departure:
    """Work on a study in this process until there is a reason to leave; the reason, as ``hpotool worker`` does.

    Attempts run in processes of their own. In the main thread Ctrl-C (a notebook's stop button) and SIGTERM are
    heard as the command hears them; elsewhere the study is drained with ``hpotool drain``. Where no logging is set
    up, the worker's log goes to stderr.

    Args:
        study: its name, or the study itself; HPOTOOL_STUDY, or the only one of the database, by default.
        gpu: as ``--gpu``: "none", 0, "0,1", a UUID or a MIG name; the only GPU, else none, by default.
        storage: the database's URL, or an open storage; the one that ``hpotool`` itself uses by default.
        checkpoints: the folder or fsspec URL that all machines share.
        grace: how long an attempt that is asked to stop may take for its checkpoint.
        give_up_after: leave when the database is away for so long; wait for as long as it takes by default.
        breaker: leave when everything fails on this worker, and on no other one.

    Raises:
        NotFoundError: there is no such study, or plain Optuna made it and nobody has described it yet.
        InputError: the objective cannot be imported, or there is no such GPU, or there are several.
        GaveUpError: the database stayed away for too long.
    """
    from hpotool.worker import start
    from hpotool.worker.allowed import Allowed
    from hpotool.worker.gpu import DeviceMeter, Nvml, choose_slots

    chosen = choose_study(study, storage)
    chosen.connection.close()
    nvml = Nvml()
    slots = choose_slots(None if gpu is None else str(gpu), nvml)
    if len(slots) > 1:
        raise InputError(f"one process is one worker, and this machine has {len(slots)} GPUs", "run_worker(gpu=0)")
    with _heard_on_stderr():
        return start.run_worker(
            chosen.connection.url,
            chosen.name,
            slots[0],
            DeviceMeter(nvml, slots[0]),
            checkpoints=checkpoints,
            grace=_duration("grace", grace),
            give_up_after=None if give_up_after is None else _duration("give_up_after", give_up_after),
            has_breaker=breaker,
            allowed=Allowed.read(()),
        )


def wait(
    study: str | Study | None = None,
    *,
    storage: str | PostgresStorage | None = None,
    timeout: Duration | None = None,
    interval: Duration = "1s",
) -> str:
    """Return when the study is over and no trial of it runs any more: ``done`` or ``stopped``.

    It only looks: workers run elsewhere. An outage of the database is waited out.

    Raises:
        TimeoutError: it was not over in all that time.
        NotFoundError: there is no such study.
    """
    chosen = choose_study(study, storage)
    pause = _duration("interval", interval).total_seconds()
    until = None if timeout is None else time.monotonic() + _duration("timeout", timeout).total_seconds()
    progress = _look(chosen)
    if not _is_over(progress) and not progress.workers:
        logger.warning("nobody works on study %r: %s", chosen.name, paste("worker", "--study", chosen.name))
    while not _is_over(progress):
        if until is not None and time.monotonic() >= until:
            raise TimeoutError(f"study {chosen.name!r} is {progress.state} after {timeout}")
        time.sleep(pause if until is None else max(0.0, min(pause, until - time.monotonic())))
        try:
            progress = _look(chosen)
        except DatabaseUnreachableError as error:
            logger.warning("%s; waiting for it", error.message)
    chosen.connection.close()
    return progress.state


@contextmanager
def _heard_on_stderr() -> Iterator[None]:
    """The worker's log goes to stderr, where nobody has set up another place for it."""
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
    raise InputError(f"study {chosen.name!r} was deleted while it was waited for")


def _is_over(progress: StudyProgress) -> bool:
    return progress.state in _OVER and not progress.summary.trials.get("RUNNING")


def _duration(name: str, given: Duration) -> timedelta:
    if isinstance(given, timedelta):
        return given
    try:
        return parse_duration(given)
    except ValueError as error:
        raise InputError(f"{name} {error}", f'write it like {name}="30s", "5m" or "2h"') from None
