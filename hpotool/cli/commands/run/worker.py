"""``hpotool worker``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import PoolOption, StorageOption, StudyOption, read_duration, refuse_study_beside_pool
from hpotool.errors import InputError, paste

if TYPE_CHECKING:
    from hpotool.storage.database.url import DatabaseUrl
    from hpotool.worker.gpu import Slot

_LABEL = "HPOTOOL_WORKER_LABEL"  # set by the parent of several workers, which share a terminal


class LogFormat(str, Enum):
    """The format of a worker's log."""

    TEXT = "text"
    JSON = "json"


class IfBusy(str, Enum):
    """What to do if the GPU is in use."""

    WAIT = "wait"
    SKIP = "skip"
    SHARE = "share"


def worker(
    study: StudyOption = None,
    pool: PoolOption = None,
    stay: Annotated[
        bool, typer.Option("--stay", help="With --pool: wait for more work when every study is done.")
    ] = False,
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu",
            metavar="DEVICES",
            help="none; auto (one worker per GPU); 0; or 0,1 (both for each trial). Index, UUID or MIG name "
            "[default: the GPU if there is only one, else none].",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help="Workers per slot; restarted if they crash.")
    ] = 1,
    if_busy: Annotated[
        IfBusy, typer.Option(metavar="ACTION", help="If the GPU is in use: wait, skip or share.")
    ] = IfBusy.SHARE,
    checkpoints: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|URL",
            help="Checkpoint folder or fsspec URL that all machines share [default: below HPOTOOL_HOME].",
            show_default=False,
        ),
    ] = None,
    grace: Annotated[
        str, typer.Option(metavar="DURATION", help="Time to save a checkpoint when the attempt is asked to stop.")
    ] = "30s",
    give_up_after: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Leave after a database outage of this length, like 30m [default: wait as long as it takes].",
            show_default=False,
        ),
    ] = None,
    wait_for_database: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Wait this long for the database at the start, like 10m, then exit with code 4 [default: 0s].",
            show_default=False,
        ),
    ] = None,
    no_breaker: Annotated[
        bool,
        typer.Option("--no-breaker", help="Stay even if everything fails on this worker but not on others."),
    ] = False,
    log_format: Annotated[LogFormat, typer.Option(metavar="FORMAT", help="text or json.")] = LogFormat.TEXT,
    only_objective: Annotated[
        list[str] | None,
        typer.Option(
            "--only-objective",
            metavar="CODE",
            help="Refuse a study that names any other code than this MODULE:FUNCTION; can be repeated "
            "[default: HPOTOOL_ALLOW, else everything is allowed].",
            show_default=False,
        ),
    ] = None,
    storage: StorageOption = None,
) -> int:
    """Run trials of a study until its budget is used up, or with --pool of several studies in turn.

    Use the same command on every machine.

    Exit codes: 0 the study is done or was stopped; 75 a signal like SIGTERM ended it with work left; 130 Ctrl-C.
    """
    from hpotool.worker.signals import leave_on_signals

    label = os.environ.get(_LABEL, "")
    options = _Options(
        gpu,
        workers,
        if_busy,
        checkpoints,
        grace,
        give_up_after,
        wait_for_database,
        not no_breaker,
        log_format,
        tuple(only_objective or ()),
        pool,
        stay,
    )
    with leave_on_signals(lambda text: print(f"{label}{text}", file=sys.stderr)):  # noqa: T201 (no logging yet)
        return _work(study, storage, options, label)


@dataclass(frozen=True)
class _Options:
    gpu: str | None
    workers: int
    if_busy: IfBusy
    checkpoints: str | None
    grace: str
    give_up_after: str | None
    wait_for_database: str | None
    breaker: bool
    log_format: LogFormat
    only_objective: tuple[str, ...]
    pool: str | None = None
    stay: bool = False

    def for_each_worker(self) -> list[str]:
        """The arguments of each of several workers; the parent decides on their slots and number."""
        given = {
            "--grace": self.grace,
            "--log-format": self.log_format.value,
            "--checkpoints": self.checkpoints,
            "--give-up-after": self.give_up_after,
            "--wait-for-database": self.wait_for_database,
        }
        words = [word for option, value in given.items() if value is not None for word in (option, value)]
        words += [f"--only-objective={each}" for each in self.only_objective]
        words += ["--stay"] if self.stay else []
        return words if self.breaker else [*words, "--no-breaker"]


def _work(study: str | None, storage: str | None, options: _Options, label: str) -> int:
    from hpotool.cli.database import connect, find_study, wait_for_database
    from hpotool.worker.allowed import Allowed
    from hpotool.worker.gpu import DeviceMeter, Nvml, choose_slots, wait_until_free
    from hpotool.worker.log import set_up_logging
    from hpotool.worker.pool.start_pool import check_pool_name, run_pool_worker
    from hpotool.worker.serving.options import WorkerOptions
    from hpotool.worker.start import run_worker

    if options.stay and options.pool is None:
        raise InputError("--stay is for workers of a pool", "hpotool worker --pool NAME --stay")
    if options.pool is not None:
        problem = "a worker serves one study, or with --pool all of a pool"
        refuse_study_beside_pool(study, problem, paste("worker", "--pool", options.pool))
        check_pool_name(options.pool)
    set_up_logging(options.log_format.value, label)
    stop_grace = read_duration("--grace", options.grace)
    patience = _duration_or_none("--give-up-after", options.give_up_after)
    first_patience = _duration_or_none("--wait-for-database", options.wait_for_database)
    connection = connect(storage)
    if first_patience is not None:
        wait_for_database(connection, first_patience)
    name = options.pool or find_study(connection, study).name
    connection.close()
    nvml = Nvml()
    slots = wait_until_free(choose_slots(options.gpu, nvml), options.if_busy.value, nvml)
    if options.gpu == "auto" or options.workers > 1:
        rest = ["--pool" if options.pool else "--study", name, *options.for_each_worker()]
        return _keep_workers(connection.url, slots, options.workers, rest)
    [slot] = slots
    one_worker = WorkerOptions(
        slot,
        DeviceMeter(nvml, slot),
        nvml,
        options.checkpoints,
        stop_grace,
        patience,
        options.breaker,
        Allowed.read(options.only_objective),
    )
    if options.pool is not None:
        return run_pool_worker(connection.url, name, one_worker, stays=options.stay).exit_code
    return run_worker(connection.url, name, one_worker).exit_code


def _keep_workers(url: DatabaseUrl, slots: Sequence[Slot], workers: int, rest: Sequence[str]) -> int:
    """Run one or more worker processes for each slot; this process only restarts them."""
    from hpotool.launch.local import WorkerCommand, keep_workers

    commands = [
        WorkerCommand(
            f"worker {place} on {slot.label}",
            [sys.executable, "-m", "hpotool", "worker", "--gpu", _gpu_option(slot), *rest],
            {_LABEL: f"[{slot.label if len(slots) > 1 else place}] "},
        )
        for slot in slots
        for place in range(1, workers + 1)
    ]
    # The URL is passed in the environment, because everybody can read an argument list.
    return keep_workers(commands, {**os.environ, "HPOTOOL_STORAGE": url.libpq})


def _gpu_option(slot: Slot) -> str:
    return ",".join(device.uuid for device in slot.devices) or "none"


def _duration_or_none(option: str, text: str | None) -> timedelta | None:
    return None if text is None else read_duration(option, text)
