"""``hpotool worker``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.errors import InputError

if TYPE_CHECKING:
    from hpotool.storage.url import DatabaseUrl
    from hpotool.worker.gpu import Slot

_LABEL = "HPOTOOL_WORKER_LABEL"  # set by the parent of several workers, whose lines share a terminal


class LogFormat(str, Enum):
    """How a worker's log is written."""

    TEXT = "text"
    JSON = "json"


class IfBusy(str, Enum):
    """What to do about a GPU that others use."""

    WAIT = "wait"
    SKIP = "skip"
    SHARE = "share"


def worker(
    study: StudyOption = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu",
            metavar="DEVICES",
            help="none, auto (a worker on each), 0, or 0,1 (both for each trial); index, UUID or MIG name "
            "[default: the only GPU, else none].",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="So many workers on each slot, kept alive.")] = 1,
    if_busy: Annotated[IfBusy, typer.Option(help="What to do about a GPU that others use.")] = IfBusy.SHARE,
    checkpoints: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|URL",
            help="Folder or fsspec URL that all machines share [default: below HPOTOOL_HOME].",
            show_default=False,
        ),
    ] = None,
    grace: Annotated[
        str, typer.Option(metavar="DURATION", help="For an attempt that is told to stop to write its checkpoint.")
    ] = "30s",
    give_up_after: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Leave when the database is away for so long [default: wait for as long as it takes].",
            show_default=False,
        ),
    ] = None,
    log_format: Annotated[LogFormat, typer.Option(help="How the log is written.")] = LogFormat.TEXT,
    only_objective: Annotated[
        list[str] | None,
        typer.Option(
            "--only-objective",
            metavar="MODULE:FUNCTION",
            help="Refuse a study that names other code than this; may be repeated "
            "[default: what HPOTOOL_ALLOW names, else anything].",
            show_default=False,
        ),
    ] = None,
    storage: StorageOption = None,
) -> int:
    """Run trials of a study until its budget is used up. The same command on every machine."""
    from hpotool.cli.database import connect, find_study
    from hpotool.worker.allowed import Allowed
    from hpotool.worker.gpu import DeviceMeter, Nvml, choose_slots, wait_until_free
    from hpotool.worker.log import set_up_logging
    from hpotool.worker.start import run_worker

    set_up_logging(log_format.value, os.environ.get(_LABEL, ""))
    stop_grace = _duration("--grace", grace)
    patience = None if give_up_after is None else _duration("--give-up-after", give_up_after)
    connection = connect(storage)
    name = find_study(connection, study).name
    connection.close()
    nvml = Nvml()
    slots = wait_until_free(choose_slots(gpu, nvml), if_busy.value, nvml)
    if gpu == "auto" or workers > 1:
        rest = ["--study", name, "--grace", grace, "--log-format", log_format.value]
        rest += [] if checkpoints is None else ["--checkpoints", checkpoints]
        rest += [] if give_up_after is None else ["--give-up-after", give_up_after]
        rest += [f"--only-objective={each}" for each in only_objective or ()]
        return _keep_workers(connection.url, slots, workers, rest)
    [slot] = slots
    return run_worker(
        connection.url,
        name,
        slot,
        DeviceMeter(nvml, slot),
        checkpoints=checkpoints,
        grace=stop_grace,
        give_up_after=patience,
        allowed=Allowed.read(only_objective or ()),
    ).exit_code


def _keep_workers(url: DatabaseUrl, slots: Sequence[Slot], workers: int, rest: Sequence[str]) -> int:
    """One worker process for each slot, or several; this one only keeps them alive."""
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
    # The URL travels in the environment: an argument list is for everybody to read.
    return keep_workers(commands, {**os.environ, "HPOTOOL_STORAGE": url.libpq})


def _gpu_option(slot: Slot) -> str:
    return ",".join(device.uuid for device in slot.devices) or "none"


def _duration(option: str, text: str) -> timedelta:
    from hpotool.study.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(f"{option} {error}", f"write it like {option} 30s, 5m or 2h") from None
