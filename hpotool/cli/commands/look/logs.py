"""``hpotool logs``."""

from __future__ import annotations

import codecs
import io
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import StorageOption, StudyOption, TrialArgument
from hpotool.cli.output import say
from hpotool.errors import NotFoundError, paste
from hpotool.study.doors import visible_lines

if TYPE_CHECKING:
    from hpotool.storage.database.connection import Connection

_LOOKS_EVERY_S = 0.5
_CHUNK = 1 << 16


def logs(
    trial: TrialArgument,
    study: StudyOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing until the attempt ends.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print every byte unchanged, including control sequences (colours).")
    ] = False,
    storage: StorageOption = None,
) -> None:
    """Print the output of a trial's latest attempt: all of it on the machine where it ran, elsewhere its end."""
    from hpotool.analysis.insights.attempt_log import find_log
    from hpotool.cli.database import connect, find_study
    from hpotool.storage.control.studies import list_attempts

    connection = connect(storage)
    name = find_study(connection, study).name
    attempts = list_attempts(connection, name, trial).get(trial, [])
    file = find_log(name, trial)
    if not attempts and file is None:
        raise NotFoundError(f"trial {trial} of {name!r} has no attempt", paste("trials", "--study", name))
    if file is not None:
        write = sys.stdout.buffer.write if raw else _write_visibly()
        _write_file(file, write, lambda: not follow or _has_ended(connection, name, trial))
    else:
        _write_tail(attempts[-1], raw)


def _write_visibly() -> Callable[[bytes], object]:
    """Return a writer of bytes to stdout that escapes control characters and invalid UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    newlines = io.IncrementalNewlineDecoder(decoder, translate=True)
    return lambda chunk: sys.stdout.write(visible_lines(newlines.decode(chunk)))


def _write_file(path: Path, write: Callable[[bytes], object], is_over: Callable[[], bool]) -> None:
    """Write the file and everything added to it until the attempt is over."""
    with path.open("rb") as file:
        while True:
            # In this order; otherwise output printed between the two checks would be missed.
            has_ended = is_over()
            if (size := path.stat().st_size) < file.tell():  # it had grown too large, so its middle was cut out
                file.seek(max(0, size - _CHUNK))
            while chunk := file.read(_CHUNK):
                write(chunk)
            sys.stdout.flush()
            if has_ended:
                return
            time.sleep(_LOOKS_EVERY_S)


def _has_ended(connection: Connection, study: str, trial: int) -> bool:
    from hpotool.storage.control.studies import list_attempts

    attempts = list_attempts(connection, study, trial).get(trial, [])
    return not attempts or attempts[-1]["outcome"] is not None


def _write_tail(attempt: dict[str, Any], raw: bool) -> None:
    if attempt["outcome"] is None:
        say(f"it is running on {attempt['host']}; its output is only there until it ends")
        return
    say(f"these are the last lines; {_where_the_log_is(attempt['host'])}")
    tail = attempt["output_tail"] or ""
    sys.stdout.write(tail if raw else visible_lines(tail))


def _where_the_log_is(host: str) -> str:
    from hpotool.settings import home_folder

    if host == socket.gethostname():
        return f"the log is not, or no longer, below {home_folder()}"
    return f"the whole log is on {host}, until hpotool clean removes it there"
