"""Finds the database and the study to use, for the command line and for Python."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING

from hpotool.errors import InputError, NotFoundError
from hpotool.settings import configured_storage, home_folder
from hpotool.study.doors import refuse_name

if TYPE_CHECKING:
    from hpotool.server import EmbeddedPostgres, Started
    from hpotool.storage.control.studies import StudySummary
    from hpotool.storage.database.connection import Connection
    from hpotool.storage.database.url import DatabaseUrl


def resolve_url(storage: str | None, say: Callable[[str], None]) -> DatabaseUrl:
    """The URL of the configured database, else of the embedded Postgres, which is started if necessary.

    ``say`` is called only if the embedded Postgres is started.

    Raises:
        InputError: the configured URL is not that of a Postgres database.
    """
    from hpotool.storage.database.url import DatabaseUrl

    configured = configured_storage(storage)
    if configured is not None:
        return DatabaseUrl.parse(configured)
    started = embedded_postgres().start()
    if not started.was_running:
        for sentence in describe_start(started):
            say(sentence)
    return started.url


def embedded_postgres() -> EmbeddedPostgres:
    """The embedded Postgres of this machine's home folder, running or not."""
    from hpotool.server import EmbeddedPostgres

    return EmbeddedPostgres(home_folder())


def describe_start(started: Started) -> list[str]:
    """What starting the server did, as sentences."""
    moved = [f"port {started.moved_from} is taken; the embedded Postgres has moved to {started.url.url.port}"]
    said = moved if started.moved_from is not None else []
    if started.was_running:
        return [*said, f"the embedded Postgres runs: {started.url}"]
    verb = "created and started" if started.was_created else "started"
    return [*said, f"{verb} the embedded Postgres: {started.url} (stop it with: hpotool db down)"]


def find_study(connection: Connection, name: str | None, pick: Callable[[str], str]) -> StudySummary:
    """The study of that name; without a name, the only study in the database.

    Args:
        pick: how a user would name a study here, for the hint if there are several.

    Raises:
        NotFoundError: there is no such study, or no study at all.
        InputError: no name is given and there are several studies.
    """
    from hpotool.storage.control.studies import list_studies

    # A command-line argument may contain characters that no database can store; no study has such a name.
    found = [] if name is not None and refuse_name(name) else list_studies(connection, name)
    if name is None:  # an archived study is chosen only by name, or if it is the only study
        found = [study for study in found if not study.is_archived] or found
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(sorted(study.name for study in found))
        hint = f"name one, like {pick(min(study.name for study in found))}"
        raise InputError(f"the database has several studies: {names}", hint)
    if name is None:
        raise NotFoundError("the database has no studies", "hpotool create-study FILE")
    known = [study.name for study in list_studies(connection)]
    alike = get_close_matches(name, known, n=1)
    hint = f"did you mean {alike[0]!r}?" if alike else "hpotool studies lists all studies"
    raise NotFoundError(f"study {name!r} does not exist", hint)
