"""``hpotool worker``."""

from __future__ import annotations

import os
import sys
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption, StudyOption

if TYPE_CHECKING:
    from hpotool.storage.connection import Connection


_LABEL = "HPOTOOL_WORKER_LABEL"  # set by the parent of several workers, whose lines share a terminal


class LogFormat(str, Enum):
    """How a worker's log is written."""

    TEXT = "text"
    JSON = "json"


def worker(
    study: StudyOption = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu",
            metavar="DEVICES",
            help="0, or 0,1, or none [default: the only one, else none].",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Workers on this slot, kept alive by this command.")
    ] = 1,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="How the log is written.")
    ] = LogFormat.TEXT,
    storage: StorageOption = None,
) -> int:
    """Run trials of a study until its budget is used up. The same command on every machine."""
    from hpotool.cli.database import connect, find_study
    from hpotool.worker.log import set_up_logging

    set_up_logging(log_format.value, os.environ.get(_LABEL, ""))
    connection = connect(storage)
    name = find_study(connection, study).name
    if workers > 1:
        return _keep_several(workers, name, gpu, log_format, connection)
    return _run_one(name, gpu, connection)


def _run_one(name: str, gpu: str | None, connection: Connection) -> int:
    from hpotool.worker.start import run_worker

    visible = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": "" if gpu == "none" else gpu}
    return run_worker(connection.url, name, gpu or "cpu", visible).exit_code


def _keep_several(workers: int, name: str, gpu: str | None, log_format: LogFormat, connection: Connection) -> int:
    from hpotool.launch.local import WorkerCommand, keep_workers

    arguments = [sys.executable, "-m", "hpotool", "worker", "--study", name, "--log-format", log_format.value]
    if gpu is not None:
        arguments += ["--gpu", gpu]
    commands = [
        WorkerCommand(f"worker {i} of {workers}", arguments, {_LABEL: f"[{i}] "}) for i in range(1, workers + 1)
    ]
    # The URL travels in the environment: an argument list is for everybody to read.
    environment = {**os.environ, "HPOTOOL_STORAGE": connection.url.libpq}
    return keep_workers(commands, environment)
