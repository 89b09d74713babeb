"""Database URLs: checked, normalised for psycopg2, and never shown with their password."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from hpotool.errors import InputError

HOW_TO_WRITE = "write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE"
_DRIVERS = ("postgresql", "postgres", "postgresql+psycopg2")

# Without these, a connection over a cut network hangs; with them, it fails after about 16 s (measured).
_TCP_SETTINGS = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "8000",
}


@dataclass(frozen=True)
class DatabaseUrl:
    """A Postgres URL. ``str()`` and ``repr()`` omit the password."""

    url: URL = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> DatabaseUrl:
        """Parse ``text``, in SQLAlchemy's or libpq's spelling.

        Raises:
            InputError: it is not a Postgres URL.
        """
        try:
            url = make_url(text.strip())
        except (ArgumentError, ValueError):
            raise InputError("the storage URL cannot be read", HOW_TO_WRITE) from None
        if url.drivername not in _DRIVERS:
            raise InputError(f"hpotool needs Postgres, but the storage URL names {url.drivername!r}", HOW_TO_WRITE)
        if not url.database:
            raise InputError("the storage URL names no database", HOW_TO_WRITE)
        defaults = {key: value for key, value in _TCP_SETTINGS.items() if key not in url.query}
        # SQLAlchemy 2.1 reads a bare `postgresql://` as psycopg 3, 2.0 as psycopg2; `postgres://` fails in both.
        return cls(url.set(drivername="postgresql+psycopg2").update_query_dict(defaults))

    @cached_property
    def sqlalchemy(self) -> str:
        """The URL for SQLAlchemy, with its password."""
        return self.url.render_as_string(hide_password=False)

    @cached_property
    def libpq(self) -> str:
        """The URL for psycopg2, with its password."""
        return _render(self.url.set(drivername="postgresql"))

    @cached_property
    def libpq_without_defaults(self) -> str:
        """The URL in the usual spelling, with its password."""
        return _render(self._as_written)

    def __str__(self) -> str:
        url = self._as_written  # libpq also takes ?password= and ?sslpassword=, which SQLAlchemy shows
        hidden = {key: "hidden" for key in url.query if "password" in key.lower()}
        return url.update_query_dict(hidden).render_as_string(hide_password=True)

    @property
    def _as_written(self) -> URL:
        return self.url.set(drivername="postgresql").difference_update_query(_TCP_SETTINGS)


def _render(url: URL) -> str:
    """The URL with its password. SQLAlchemy writes a blank as +, which libpq reads as itself."""
    place, mark, query = url.render_as_string(hide_password=False).partition("?")
    return f"{place}{mark}{query.replace('+', '%20')}"
