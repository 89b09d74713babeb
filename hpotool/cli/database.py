"""From a command's options to an open database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpotool.errors import InputError
from hpotool.settings import read_settings

if TYPE_CHECKING:
    from hpotool.storage.connection import Connection
    from hpotool.storage.url import DatabaseUrl


def resolve_url(storage_option: str | None) -> DatabaseUrl:
    """The database that is meant: what is configured, else the embedded Postgres.

    Raises:
        InputError: the URL that is configured is not one of a Postgres database.
    """
    from hpotool.storage.url import DatabaseUrl

    settings = read_settings(storage_option)
    if settings.storage:
        return DatabaseUrl.parse(settings.storage)
    raise InputError(
        "no database is configured", "set HPOTOOL_STORAGE=postgresql://USER:PASSWORD@HOST:5432/DATABASE"
    )


def connect(storage_option: str | None) -> Connection:
    """A connection to the database that is meant."""
    from hpotool.storage.connection import Connection

    return Connection(resolve_url(storage_option))
