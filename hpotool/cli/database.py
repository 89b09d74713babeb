"""Open the database and find the study that a command's options name."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from hpotool.api import database as api
from hpotool.cli.output import say
from hpotool.errors import DatabaseUnreachableError, paste

if TYPE_CHECKING:
    from datetime import timedelta

    from optuna import Study

    from hpotool.storage.control.studies import StudySummary
    from hpotool.storage.database.connection import Connection
    from hpotool.storage.database.url import DatabaseUrl


def resolve_url(storage_option: str | None) -> DatabaseUrl:
    """The URL of the chosen database; prints a note if the embedded Postgres is started."""
    return api.resolve_url(storage_option, say)


def connect(storage_option: str | None) -> Connection:
    """A connection to the chosen database."""
    from hpotool.storage.database.connection import Connection

    return Connection(resolve_url(storage_option))


def wait_for_database(connection: Connection, patience: timedelta) -> None:
    """Wait until the database answers.

    Raises:
        DatabaseUnreachableError: it did not answer in time.
    """
    import time

    give_up_at = time.monotonic() + patience.total_seconds()
    has_said = False
    while True:
        try:
            connection.run("SELECT 1")
        except DatabaseUnreachableError as error:
            if time.monotonic() >= give_up_at:
                raise
            if not has_said:
                say(f"{error.message}; waiting")
                has_said = True
            time.sleep(min(1.0, max(0.0, give_up_at - time.monotonic())))
        else:
            return


def find_study(connection: Connection, name: str | None) -> StudySummary:
    """The study of that name; without a name, the only study in the database.

    Raises:
        NotFoundError: there is no such study, or no study at all.
        InputError: no name is given and there are several studies.
    """
    return api.find_study(connection, name, lambda known: f"--study {quote(known)}")


def identify_study(connection: Connection, name: str | None) -> tuple[int, str]:
    """The id and the name of the study; see `find_study`."""
    from hpotool.storage.control.creation import find_study_id

    found = find_study(connection, name).name
    return find_study_id(connection, found), found


def adopt_study(connection: Connection, name: str | None) -> tuple[int, str]:
    """Like `identify_study`, but also gives a study of plain Optuna its row in hpotool's tables."""
    from hpotool.storage.control import orders
    from hpotool.storage.database.schema import ensure_schema

    study_id, found = identify_study(connection, name)
    ensure_schema(connection.url)
    orders.adopt_study(connection.run, study_id)
    return study_id, found


def say_if_nobody_works(connection: Connection, name: str) -> None:
    """Tell a person who gives the study work how to start a worker, if it has none."""
    from hpotool.analysis.pace import is_forsaken
    from hpotool.storage.control.studies import list_studies, read_progress

    if is_forsaken(read_progress(connection, list_studies(connection, name)[0])):
        say(f"{name!r} has no workers; start one: {paste('worker', '--study', name)}")


def load_study(connection: Connection, name: str | None, *, with_reevaluations: bool = False) -> Study:
    """The study of that name as a read-only Optuna study; ``with_reevaluations``: with those beside its search."""
    import optuna

    from hpotool.storage.open import open_storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    summary = find_study(connection, name)
    storage = open_storage(connection.url.sqlalchemy, hides_reevaluations=not with_reevaluations)
    return optuna.load_study(study_name=summary.name, storage=storage)
