"""``hpotool delete``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption
from hpotool.cli.output import say
from hpotool.errors import InputError, paste
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from hpotool.storage.control.keeping import Contents
    from hpotool.storage.database.connection import Connection
    from hpotool.worker.checkpoints.leftovers import Leftover


def delete(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="The study.")],
    force: Annotated[
        bool, typer.Option("--force", help="Even if workers are alive; they lose the study.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    storage: StorageOption = None,
) -> None:
    """Permanently delete a study with its trials, attempts and events, and its logs on this machine.

    Its checkpoints are kept; `hpotool clean` removes them.
    """
    from hpotool.cli.database import connect, identify_study
    from hpotool.storage.control.keeping import delete_study, read_contents
    from hpotool.storage.database.schema import ensure_schema

    connection = connect(storage)
    study_id, name = identify_study(connection, study)
    ensure_schema(connection.url)
    contents = read_contents(connection, study_id)
    logs = _logs(name, contents)
    if not force:
        refuse_while_workers_live(connection, study_id, name, paste("delete", "--force", "--", name))
    if not yes and not sys.stdin.isatty():
        raise InputError(
            "nothing was deleted: without a terminal, nobody can confirm it", paste("delete", "--yes", "--", name)
        )
    say(_what_goes(name, contents, logs))
    if not yes and not typer.confirm("delete it?", err=True):
        raise typer.Abort
    delete_study(connection, study_id)
    for log in logs:
        log.remove()
    say(f"study {name!r} is deleted")


def refuse_while_workers_live(connection: Connection, study_id: int, name: str, way_out: str) -> None:
    """Refuse to change a study that has live workers.

    Raises:
        InputError: some are alive; the hint names ``way_out``, which does it anyway.
    """
    from hpotool.settings import read_pulse
    from hpotool.storage.control.keeping import living_workers

    alive = living_workers(connection, study_id, read_pulse().grace)
    if not alive:
        return
    hosts = ", ".join(sorted({worker.host for worker in alive}))
    count = count_of(len(alive), "worker is", "workers are")
    raise InputError(
        f"{count} alive in study {name!r}, on {hosts}", f"{paste('drain', '--study', name)}; or {way_out}"
    )


def _logs(name: str, contents: Contents) -> list[Leftover]:
    """The logs of the study's own workers; a study in another database may have the same name."""
    from hpotool.settings import home_folder
    from hpotool.storage.control.lineages import StudyOnDisk
    from hpotool.worker.checkpoints.leftovers import Rules, find_logs

    study = StudyOnDisk(name, is_over=True)
    return list(find_logs(home_folder(), study, Rules(), contents.workers))


def _what_goes(name: str, contents: Contents, logs: list[Leftover]) -> str:
    from hpotool.study.units import format_bytes

    size = format_bytes(sum(log.size for log in logs))
    what = f"{count_of(contents.trials, 'trial')}, {count_of(contents.attempts, 'attempt')} with their events"
    return (
        f"this permanently deletes study {name!r}: {what}, {count_of(len(logs), 'log')} on this machine ({size})"
    )
