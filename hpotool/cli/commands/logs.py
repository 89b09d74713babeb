"""``hpotool logs``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import StorageOption, StudyOption, TrialArgument
from hpotool.cli.output import say
from hpotool.errors import NotFoundError, paste

if TYPE_CHECKING:
    from hpotool.storage.connection import Connection

_LOOKS_EVERY_S = 0.5
_CHUNK = 1 << 16


def logs(
    trial: TrialArgument,
    study: StudyOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the attempt has ended.")] = False,
    storage: StorageOption = None,
) -> None:
    """Write what a trial's attempt printed: all of it on the machine where it ran, elsewhere its last lines."""
    from hpotool.cli.database import connect, find_study
    from hpotool.settings import home_folder
    from hpotool.storage.studies import list_attempts

    connection = connect(storage)
    name = find_study(connection, study).name
    attempts = list_attempts(connection, name, trial).get(trial, [])
    found = (home_folder() / "logs" / name).glob(f"*/trial-{trial:05d}-*.log")
    files = sorted(found, key=lambda path: path.stat().st_mtime)
    if not attempts and not files:
        raise NotFoundError(f"trial {trial} of {name!r} has no attempt", paste("trials", "--study", name))
    if files:
        _write_file(files[-1], connection, name, trial, follow)
    else:
        _write_tail(attempts[-1])


def _write_file(path: Path, connection: Connection, study: str, trial: int, follow: bool) -> None:
    """Copy the file to stdout; with ``follow``, what is added to it until its attempt has ended."""
    with path.open("rb") as file:
        while True:
            # In this order, or what is printed between the two questions would be missed.
            has_ended = not follow or _has_ended(connection, study, trial)
            if path.stat().st_size < file.tell():  # it had grown too large and was cut
                file.seek(0)
            while chunk := file.read(_CHUNK):
                sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
            if has_ended:
                return
            time.sleep(_LOOKS_EVERY_S)


def _has_ended(connection: Connection, study: str, trial: int) -> bool:
    from hpotool.storage.studies import list_attempts

    attempts = list_attempts(connection, study, trial).get(trial, [])
    return not attempts or attempts[-1]["outcome"] is not None


def _write_tail(attempt: dict[str, Any]) -> None:
    if attempt["outcome"] is None:
        say(f"it runs on {attempt['host']}: its output is there until it has ended")
        return
    say(f"the last lines; the whole log is on {attempt['host']}")
    sys.stdout.write(attempt["output_tail"] or "")
