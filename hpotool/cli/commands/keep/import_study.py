"""``hpotool import``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption
from hpotool.cli.output import say
from hpotool.errors import InputError, paste
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from hpotool.storage.moving.import_study import Imported
    from hpotool.storage.moving.sources import SourceStudy


def import_study(
    source: Annotated[
        str, typer.Argument(metavar="URL|FILE", help="sqlite:///old.db, mysql://…, a journal file or trials.csv.")
    ],
    study: Annotated[
        list[str] | None,
        typer.Option(
            "--study",
            "-s",
            metavar="NAME",
            help="Import only this study; for a CSV file, its name.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="The study's name here.", show_default=False)
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME:maximize", help="For a CSV file: a column that was optimized."),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Import studies of plain Optuna with all their data, or a CSV file of trials.

    Importing again adds only new trials. Prints the studies' names to stdout.
    """
    import optuna

    from hpotool.cli.commands.keep.rename import check_new_name
    from hpotool.cli.database import connect
    from hpotool.storage.database.schema import ensure_schema
    from hpotool.storage.moving.import_study import import_studies

    if name is not None:
        check_new_name(name, "import", source)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = _read(source, study or [], metric or [])
    if name is not None and len(found) != 1:
        names = ", ".join(each.name for each in found)
        raise InputError(
            f"--as names one study, but {source} has several: {names}", "choose one with --study NAME"
        )
    connection = connect(storage)
    ensure_schema(connection.url)
    done = import_studies(connection, found, name)
    for each in done:
        _say(each)
    if len(done) == 1:
        say(f"next: {paste('init', '--from-study', done[0].name)} writes a study file to continue with")
    sys.stdout.write("".join(f"{each.name}\n" for each in done))


def _read(source: str, names: list[str], metrics: list[str]) -> list[SourceStudy]:
    from hpotool.storage.moving.csv_file import read_csv_study
    from hpotool.storage.moving.sources import read_optuna_studies

    if source.lower().endswith((".csv", ".tsv")):
        return [read_csv_study(source, names, metrics)]
    if metrics:
        raise InputError(
            "--metric is only for CSV files; an Optuna storage records what was optimized", "leave --metric out"
        )
    found = read_optuna_studies(source, names)
    if not found:
        raise InputError(f"{source} contains no studies", "nothing was imported")
    return found


def _say(done: Imported) -> None:
    renamed = "" if done.source_name == done.name else f" (named {done.source_name!r} there)"
    if done.added == 0 and done.known:
        say(
            f"{done.name}{renamed}: nothing new; its {count_of(done.known, 'trial is', 'trials are')} already here"
        )
        return
    known = f"; {done.known} {_were(done.known)} already here" if done.known else ""
    say(f"{done.name}{renamed}: {count_of(done.added, 'trial')} imported{known}")
    if done.interrupted:
        say(f"  {done.interrupted} of them had not ended there and {_were(done.interrupted)} imported as failed")


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
