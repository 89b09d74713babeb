"""``hpotool doctor``: existing and coming problems, with the commands that fix them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.errors import EXIT_DONE, EXIT_FAILED, HpotoolError, InputError
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hpotool.doctor.finding import Found
    from hpotool.storage.database.connection import Connection
    from hpotool.storage.database.url import DatabaseUrl

_SIGNS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "broken": ("✗", "red"), "unknown": ("?", "dim")}


def doctor(
    study: StudyOption = None,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST", help="Also check this machine, over SSH; may be repeated.", show_default=False
        ),
    ] = None,
    checkpoints: Annotated[
        str | None,
        typer.Option(metavar="PATH|URL", help="Where workers keep their checkpoints.", show_default=False),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Show all checks, not only problems.")] = False,
    hpotool: Annotated[
        str | None,
        typer.Option("--hpotool", metavar="PATH", help="Path of hpotool on the hosts.", show_default=False),
    ] = None,
    ssh_options: Annotated[
        str,
        typer.Option(
            metavar="WORDS", help="More options for ssh, as one argument: '-F FILE'.", show_default=False
        ),
    ] = "",
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> int:
    """Look for problems on this machine, in the database, in a study, and between machines; change nothing.

    Exit code 0: nothing prevents workers from running; 1: something does. Warnings do not count.
    """
    from hpotool.doctor.examine import examine_database, examine_machine

    if not host and (hpotool or ssh_options):
        raise InputError(
            "--hpotool, --ssh-options: these are for --host, which is missing", "hpotool doctor --host gpu1"
        )
    found = examine_machine()
    connection, error = _connection(storage)
    of_database = examine_database(connection, error)
    found += of_database
    if connection is not None and all(each.finding.verdict != "broken" for each in of_database):
        found += _study(connection, study, checkpoints)
    if host:
        url = _url_for_hosts(connection, storage) if connection else None
        found += _hosts(host, url, hpotool, ssh_options, checkpoints)
    _show(found, format, every=every)
    return EXIT_FAILED if any(each.finding.verdict == "broken" for each in found) else EXIT_DONE


def _connection(storage: str | None) -> tuple[Connection | None, HpotoolError | None]:
    """The configured database. The embedded one is not started just to be checked."""
    from hpotool.cli.embedded import embedded_postgres
    from hpotool.errors import DatabaseUnreachableError
    from hpotool.settings import configured_storage
    from hpotool.storage.database.connection import Connection
    from hpotool.storage.database.url import DatabaseUrl

    try:
        configured = configured_storage(storage)
        if configured:
            return Connection(DatabaseUrl.parse(configured)), None
        server = embedded_postgres()
        state = server.status().state
        if state != "running":
            return None, DatabaseUnreachableError(f"the embedded Postgres is {state}", "hpotool db up")
        return Connection(server.url()), None
    except HpotoolError as error:
        return None, error


def _study(connection: Connection, study: str | None, checkpoints: str | None) -> list[Found]:
    """Examine the named study, or the only one. If none is named, having several to choose from is no problem."""
    from hpotool.cli.database import find_study
    from hpotool.doctor.examine import examine_study

    try:
        return examine_study(connection, find_study(connection, study).name, checkpoints)
    except HpotoolError:
        if study is not None:
            raise
        return []


def _url_for_hosts(connection: Connection, storage: str | None) -> DatabaseUrl:
    """The database's URL for other machines; an embedded one's has the address that it was opened on."""
    from hpotool.cli.embedded import embedded_postgres
    from hpotool.settings import configured_storage

    if configured_storage(storage):
        return connection.url
    try:
        return embedded_postgres().url_for_others()
    except HpotoolError:
        return connection.url


def _hosts(
    hosts: Sequence[str], url: DatabaseUrl | None, hpotool: str | None, ssh_options: str, checkpoints: str | None
) -> list[Found]:
    from hpotool.cli.commands.fleet.begin import own_program
    from hpotool.doctor.hosts import HOSTS, look_at_hosts
    from hpotool.launch.targets.ssh import check_hosts, shared_connections, split_options

    check_hosts(hosts)
    with shared_connections(split_options(ssh_options)) as how:
        return HOSTS.examine(look_at_hosts(hosts, how, url, hpotool or own_program(), checkpoints))


def _show(found: Sequence[Found], format: Format, *, every: bool) -> None:
    counts = Counter(each.finding.verdict for each in found)
    shown = [each for each in found if every or each.finding.verdict in ("warning", "broken")]
    data: dict[str, Any] = {
        "verdict": "broken" if counts["broken"] else "warning" if counts["warning"] else "ok",
        "counts": {verdict: counts[verdict] for verdict in _SIGNS},  # type: ignore[index]
        "findings": [each.as_data() for each in found],
    }
    show(
        Answer(
            data=data,
            rows=[each.as_data() for each in found],
            value=data["verdict"],
            picture=lambda: _draw(shown, every=every),
        ),
        format,
    )
    if format is Format.TABLE:
        others = f", {counts['unknown']} could not be checked" if counts["unknown"] else ""
        say(f"{len(found)} checks: {counts['broken']} broken, {count_of(counts['warning'], 'warning')}{others}")


def _draw(found: Sequence[Found], *, every: bool) -> RenderableType:
    """A line for each finding with its message, and its remedy below."""
    from rich.console import Group
    from rich.text import Text

    from hpotool.cli.screen.text import words

    lines: list[Text] = [] if found else [Text("no problems found", style="green")]
    about = ""
    for each in found:
        if each.about != about:
            lines += [Text()] if about else []
            lines.append(words(each.about, "bold"))
            about = each.about
        sign, style = _SIGNS[each.finding.verdict]
        lines.append(Text.assemble((f"  {sign} ", style), words(f"{each.check}: {each.finding.says}")))
        if each.finding.remedy:
            lines.append(words(f"      → {each.finding.remedy}", "dim"))
    return Group(*lines)
