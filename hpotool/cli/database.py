"""From a command's options to an open database and a study in it."""

from __future__ import annotations

from difflib import get_close_matches
from shlex import quote
from typing import TYPE_CHECKING

from hpotool.cli.embedded import start_silently
from hpotool.cli.output import say
from hpotool.errors import DatabaseUnreachableError, InputError, NotFoundError
from hpotool.settings import read_settings
from hpotool.study.doors import refuse_name

if TYPE_CHECKING:
    from datetime import timedelta

    from optuna import Study

    from hpotool.storage.control.studies import StudySummary
    from hpotool.storage.database.connection import Connection
    from hpotool.storage.database.url import DatabaseUrl


def resolve_url(storage_option: str | None) -> DatabaseUrl:
    """The database that is meant: what is configured, else the embedded Postgres, which is started if need be.

    Raises:
        InputError: the URL that is configured is not one of a Postgres database.
    """
    from hpotool.storage.database.url import DatabaseUrl

    settings = read_settings(storage_option)
    if settings.storage:
        return DatabaseUrl.parse(settings.storage)
    return start_silently()


def connect(storage_option: str | None) -> Connection:
    """A connection to the database that is meant."""
    from hpotool.storage.database.connection import Connection

    return Connection(resolve_url(storage_option))


def wait_for_database(connection: Connection, patience: timedelta) -> None:
    """Return when the database answers.

    Raises:
        DatabaseUnreachableError: it did not in all that time.
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
                say(f"{error.message}; waiting for it")
                has_said = True
            time.sleep(min(1.0, max(0.0, give_up_at - time.monotonic())))
        else:
            return


def find_study(connection: Connection, name: str | None) -> StudySummary:
    """The study of that name; the only one of the database where no name is given.

    Raises:
        NotFoundError: there is no such study, or none at all.
        InputError: no name is given and there are several.
    """
    from hpotool.storage.control.studies import list_studies

    # No study has a name that no database holds, as a word of a command line may be.
    found = [] if name is not None and refuse_name(name) else list_studies(connection, name)
    if name is None:  # what is archived is meant only when it is named, or alone
        found = [study for study in found if not study.is_archived] or found
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(sorted(study.name for study in found))
        raise InputError(
            f"the database has several studies: {names}",
            f"say which one, like --study {quote(min(study.name for study in found))}",
        )
    if name is None:
        raise NotFoundError("the database has no studies", "hpotool create-study FILE")
    known = [study.name for study in list_studies(connection)]
    alike = get_close_matches(name, known, n=1)
    hint = f"did you mean {alike[0]!r}?" if alike else "hpotool studies lists those that do"
    raise NotFoundError(f"study {name!r} does not exist", hint)


def identify_study(connection: Connection, name: str | None) -> tuple[int, str]:
    """The id and the name of the study that is meant; see `find_study`."""
    from hpotool.storage.control.creation import find_study_id

    found = find_study(connection, name).name
    return find_study_id(connection, found), found


def adopt_study(connection: Connection, name: str | None) -> tuple[int, str]:
    """As `identify_study`, for what hpotool itself notes about a study: one of plain Optuna gets its row."""
    from hpotool.storage.control import orders
    from hpotool.storage.database.schema import ensure_schema

    study_id, found = identify_study(connection, name)
    ensure_schema(connection.url)
    orders.adopt_study(connection.run, study_id)
    return study_id, found


def load_study(connection: Connection, name: str | None) -> Study:
    """The study of that name as an Optuna study, for reading."""
    import optuna

    from hpotool.storage.open import open_storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    summary = find_study(connection, name)
    return optuna.load_study(study_name=summary.name, storage=open_storage(connection.url.sqlalchemy))
