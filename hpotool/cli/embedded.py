"""The embedded Postgres from the command line: which one is meant, and what a person hears of its start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpotool.cli.output import say
from hpotool.settings import home_folder

if TYPE_CHECKING:
    from hpotool.server import EmbeddedPostgres, Started
    from hpotool.storage.database.url import DatabaseUrl


def embedded_postgres() -> EmbeddedPostgres:
    """The embedded Postgres of this machine's home folder, running or not."""
    from hpotool.server import EmbeddedPostgres

    return EmbeddedPostgres(home_folder())


def start_silently() -> DatabaseUrl:
    """The URL of the embedded Postgres; it is started if need be, and only then something is said."""
    started = embedded_postgres().start()
    if not started.was_running:
        say_started(started)
    return started.url


def say_started(started: Started) -> None:
    """Say on stderr what starting the server did."""
    if started.moved_from is not None:
        say(f"port {started.moved_from} is taken; the embedded Postgres has moved to {started.url.url.port}")
    if started.was_running:
        say(f"the embedded Postgres runs: {started.url}")
        return
    verb = "created and started" if started.was_created else "started"
    say(f"{verb} the embedded Postgres: {started.url} (stop it with: hpotool db down)")
