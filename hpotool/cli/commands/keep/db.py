"""``hpotool db``: the embedded Postgres, and the tables of any Postgres."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from hpotool.cli.command import Command, Group
from hpotool.cli.embedded import embedded_postgres, say_started
from hpotool.cli.options import FormatOption, StorageOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.errors import InputError

app = typer.Typer(
    cls=Group,
    help="Start, stop and inspect the embedded Postgres, or open it to other machines.",
    no_args_is_help=True,
)


@app.command(cls=Command)
def up(
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Accept connections at this address of this machine (0.0.0.0: all addresses; "
            "127.0.0.1: only from this machine). Remembered.",
            show_default=False,
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK",
            help="Admit machines in this network, like 10.1.2.0/24; can be repeated. Remembered.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Start the embedded Postgres; if it is open to other machines, print the HPOTOOL_STORAGE line for them."""
    started = embedded_postgres().start(listen, allow or ())
    say_started(started)
    if os.environ.get("HPOTOOL_STORAGE"):
        say("note: HPOTOOL_STORAGE is set, so commands use that database, not this one")
    if started.url_for_others is not None:
        say("Connections are not encrypted: admit only networks you trust, or use a Postgres with TLS.")
        say("Run this on the other machines (it contains the password):")
        sys.stdout.write(f"export HPOTOOL_STORAGE='{started.url_for_others.libpq_without_defaults}'\n")


@app.command(cls=Command)
def down() -> None:
    """Stop the embedded Postgres; its data is kept."""
    say(
        "the embedded Postgres is stopped"
        if embedded_postgres().stop()
        else "the embedded Postgres was not running"
    )


@app.command(cls=Command)
def status(format: FormatOption = Format.TABLE) -> None:
    """Show whether the embedded Postgres runs, where it listens and where its data is."""
    found = embedded_postgres().status()
    listening = found.listening
    row = {
        "state": found.state,
        "host": found.host,
        "version": found.version,
        "process_id": found.process_id,
        "address": listening.address if listening else None,
        "port": listening.port if listening else None,
        "allow": list(listening.allow) if listening else [],
        "data": str(found.data),
        "log": str(found.log),
    }
    show(Answer(data=row, rows=[row], value=found.state), format)


@app.command(cls=Command)
def url(
    remote: Annotated[
        bool, typer.Option("--remote", help="The URL for other machines; an error if none are admitted.")
    ] = False,
    local: Annotated[bool, typer.Option("--local", help="The URL for this machine only (loopback).")] = False,
) -> None:
    """Print the embedded Postgres's URL with its password, for HPOTOOL_STORAGE, Optuna, optuna-dashboard or psql.

    If the server is open to other machines, the URL works there too.
    """
    if remote and local:
        raise InputError(
            "give either --remote (for other machines) or --local (for this one), not both",
            "hpotool db url --remote",
        )
    server = embedded_postgres()
    listening = server.status().listening
    is_open = listening is not None and listening.is_open
    found = server.url_for_others() if remote or (is_open and not local) else server.url()
    sys.stdout.write(f"{found.libpq_without_defaults}\n")


@app.command(cls=Command)
def destroy(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete the embedded Postgres with every study in it, permanently."""
    server = embedded_postgres()
    found = server.status()
    if found.state != "absent" and not yes:
        if not sys.stdin.isatty():
            raise InputError(
                f"this would delete every study in {found.data}, and without a terminal nobody can confirm it",
                "hpotool db destroy --yes",
            )
        typer.confirm(f"Permanently delete every study in {found.data}?", abort=True, err=True)
    gone = server.destroy()
    say("the embedded Postgres and every study in it are deleted" if gone else "there is no embedded Postgres")


@app.command(cls=Command)
def upgrade(storage: StorageOption = None) -> None:
    """Upgrade the tables of the configured database to this version of hpotool."""
    from hpotool.cli.database import connect
    from hpotool.storage.database.schema import numbers_given_twice, upgrade_schema

    connection = connect(storage)
    before, after = upgrade_schema(connection.url)
    say(f"the tables are already at version {after}" if before == after else f"upgraded from {before} to {after}")
    for study, numbers in numbers_given_twice(connection).items():
        say(
            f"study {study!r} has more than one trial with the number {', '.join(map(str, numbers))}: "
            "until it is deleted, the database cannot enforce unique numbers"
        )
