"""``hpotool clean``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption, read_duration
from hpotool.cli.output import say
from hpotool.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from hpotool.storage.control.lineages import StudyOnDisk
    from hpotool.worker.checkpoints.leftovers import Leftover, Rules


def clean(
    study: Annotated[
        str | None,
        typer.Option("--study", "-s", metavar="NAME", help="Only this study, even if it was deleted."),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Keep files newer than this, like 7d; also remove old logs and copies of unfinished studies.",
            show_default=False,
        ),
    ] = None,
    checkpoints: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|URL",
            help="The workers' --checkpoints [default: below HPOTOOL_HOME].",
            show_default=False,
        ),
    ] = None,
    all_checkpoints: Annotated[
        bool, typer.Option("--all-checkpoints", help="Also checkpoints of finished trials, including the best.")
    ] = False,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Also files of studies that are not in the database.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be removed, and remove nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    storage: StorageOption = None,
) -> None:
    """Remove files of finished studies from this machine: logs, and failed or half-written checkpoints."""
    from hpotool.worker.checkpoints.leftovers import Rules

    age = None if older_than is None else read_duration("--older-than", older_than, "7d")
    rules = Rules(age, all_checkpoints)
    found = list(_find(storage, study, checkpoints, rules, deleted))
    if not found:
        say("there is nothing to remove")
        return
    _say_what(found)
    if dry_run:
        say("--dry-run: nothing was removed")
        return
    if not yes:
        _ask()
    for leftover in found:
        leftover.remove()
    say(f"removed {_bytes(found)}")


def _find(
    storage: str | None, study: str | None, checkpoints: str | None, rules: Rules, deleted: bool
) -> Iterator[Leftover]:
    from hpotool.cli.database import connect
    from hpotool.settings import home_folder
    from hpotool.storage.control.lineages import read_studies_on_disk
    from hpotool.storage.fleet.spool import Spool
    from hpotool.worker.checkpoints.leftovers import find_half_written, find_scratch

    home = home_folder()
    connection = connect(storage)
    studies = read_studies_on_disk(connection, study)
    studies += _missing(home, study, {known.name for known in read_studies_on_disk(connection)}, deleted)
    for known in studies:
        yield from _find_of_study(home, known, checkpoints, rules)
    if study is None:
        yield from find_half_written(Spool(home, connection.identify(), connection.url).folder, rules)
        yield from find_scratch(rules)


def _find_of_study(home: Path, study: StudyOnDisk, checkpoints: str | None, rules: Rules) -> Iterator[Leftover]:
    from hpotool.study.spec import MetricSpec, ObjectiveSpec, StudySpec
    from hpotool.worker.checkpoints.leftovers import (
        find_checkpoints,
        find_copies,
        find_logs,
        find_remote_checkpoints,
    )
    from hpotool.worker.checkpoints.location import CheckpointLocation
    from hpotool.worker.checkpoints.store import CheckpointStore

    yield from find_logs(home, study, rules)
    yield from find_copies(home, study, rules)
    location = CheckpointLocation.parse(checkpoints or str(home / "checkpoints"))
    if location.remote is None:
        yield from find_checkpoints(Path(location.path), study, rules)
        return
    spec = StudySpec(study.name, ObjectiveSpec(), (MetricSpec("value", "minimize"),))
    yield from find_remote_checkpoints(CheckpointStore(location, spec, home), study, rules)


def _missing(home: Path, study: str | None, known: set[str], deleted: bool) -> list[StudyOnDisk]:
    """Files of studies that are not in the database. They may be in another one."""
    from urllib.parse import unquote

    from hpotool.storage.control.lineages import StudyOnDisk
    from hpotool.worker.checkpoints.leftovers import studies_on_disk

    missing = sorted({unquote(name) for name in studies_on_disk(home)} - known)
    if study is not None:
        if study not in known and study not in missing:
            raise NotFoundError(
                f"study {study!r} is neither in the database nor on this machine", "hpotool studies"
            )
        return [StudyOnDisk(name, is_over=True) for name in missing if name == study]
    if missing and not deleted:
        say(f"kept, because the database has no such study: {', '.join(missing)}")
        say("hint: if these studies were deleted and are in no other database, add --deleted")
        return []
    return [StudyOnDisk(name, is_over=True) for name in missing]


def _say_what(found: list[Leftover]) -> None:
    say("no longer needed:")
    for kind in dict.fromkeys(leftover.kind for leftover in found):
        these = [leftover for leftover in found if leftover.kind == kind]
        names = [leftover.name for leftover in these]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        say(f"  {kind}: {_bytes(these)} in {len(these)}: {shown}")


def _bytes(leftovers: list[Leftover]) -> str:
    from hpotool.study.units import format_bytes

    return format_bytes(sum(leftover.size for leftover in leftovers))


def _ask() -> None:
    if not sys.stdin.isatty():
        raise InputError("nothing was removed: without a terminal, nobody can confirm it", "hpotool clean --yes")
    if not typer.confirm("remove it?", err=True):
        raise typer.Abort
