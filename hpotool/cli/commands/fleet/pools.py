"""``hpotool pools`` and ``hpotool share``: the studies of a fleet, and a study's share of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.cli.study_word import complete_pool
from hpotool.errors import paste
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hpotool.storage.database.connection import Connection
    from hpotool.storage.pools.places import Place, PoolWorkers


def pools(
    pool: Annotated[
        str | None,
        typer.Argument(metavar="POOL", help="Only this pool.", show_default=False, autocompletion=complete_pool),
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List the pools: their workers, and for each study its share, what runs, and why it waits."""
    from hpotool.api.pools import place_as_data, pools_as_data, read_pools
    from hpotool.cli.database import connect
    from hpotool.storage.database.schema import check_schema

    connection = connect(storage)
    check_schema(connection)
    places, workers = read_pools(connection, pool)
    show(
        Answer(
            data={"pools": pools_as_data(places, workers)},
            rows=[place_as_data(place, places) for place in places],
            value="\n".join(sorted({place.pool for place in places})),
            picture=lambda: _draw(places, workers),
            empty="no study is in a pool; to put one into it: hpotool share STUDY --pool NAME",
        ),
        format,
    )


def share(
    study: StudyOption = None,
    pool: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The pool that serves it.", show_default=False, autocompletion=complete_pool
        ),
    ] = None,
    priority: Annotated[
        str | None, typer.Option(metavar="N", help="Greater ones go first [default: 0].", show_default=False)
    ] = None,
    weight: Annotated[
        str | None,
        typer.Option(
            metavar="W", help="Share among studies of the same priority [default: 1].", show_default=False
        ),
    ] = None,
    max_running: Annotated[
        str | None,
        typer.Option(metavar="N", help="Most trials at the same time [default: no limit].", show_default=False),
    ] = None,
    owner: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose quota it uses.", show_default=False)
    ] = None,
    preempt: Annotated[
        bool | None,
        typer.Option(
            "--preempt/--no-preempt", help="Take places from studies of lower priority.", show_default=False
        ),
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show or change how a study shares a fleet with others; none removes a setting.

    Changes count from the next trial on; running trials go on.
    """
    from hpotool.cli.database import connect, find_study
    from hpotool.storage.control.creation import read_spec

    given = {"pool": pool, "priority": priority, "weight": weight, "max_running": max_running, "owner": owner}
    given["preempt"] = None if preempt is None else str(preempt).lower()
    changes = {key: value for key, value in given.items() if value is not None}
    connection = connect(storage)
    name = find_study(connection, study).name
    if changes:
        _change(connection, name, changes)
    _, spec = read_spec(connection, name)
    row = {"study": name, **{key: getattr(spec, key) for key in given}}
    show(Answer(data=row, rows=[row], value=spec.pool or ""), format)


def _change(connection: Connection, name: str, changes: Mapping[str, str]) -> None:
    from hpotool.api.actor import current_actor
    from hpotool.storage.control.creation import change_spec
    from hpotool.study.file.differences import differences
    from hpotool.study.file.reader import change_share

    before, after = change_spec(connection, name, lambda stored: change_share(stored, changes), current_actor())
    for difference in differences(before, after):
        say(difference.sentence)
    if after.pool is None and (after.priority, after.weight, after.preempt) != (0, 1.0, False):
        say(f"the study is in no pool; to put it into one: {paste('share', '--study', name, '--pool', 'NAME')}")


def _draw(places: Sequence[Place], workers: Sequence[PoolWorkers]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from hpotool.cli.screen.tables import Fitted

    known = {one.pool: one for one in workers}
    parts: list[RenderableType] = []
    for pool in sorted({*known, *(place.pool for place in places)}):
        own = [place for place in places if place.pool == pool]
        parts += [Text(), Text(f"{pool}: {_describe_workers(known.get(pool))}", "bold")]
        if own:
            parts.append(Fitted([_cells(place, own) for place in own]))
        parts += [Text(f"{place.study} {_describe(place)}", "yellow") for place in own if _describe(place)]
    if not parts:
        return Text("no study is in a pool; to put one into it: hpotool share STUDY --pool NAME")
    return Group(*parts[1:])


def _cells(place: Place, own: Sequence[Place]) -> dict[str, Any]:
    limit = "" if place.max_running is None else f"/{place.max_running}"
    of_pool = sum(other.day_s for other in own)
    return {
        "study": place.study,
        "priority": f"{place.priority}!" if place.preempts else str(place.priority),
        "weight": f"{place.weight:g}",
        "running": f"{place.running}{limit}",
        "last 24 h": f"{place.day_s / of_pool:.0%}" if of_pool else "",
        "state": place.closed_because or place.state,
        "owner": place.owner or "",
    }


def _describe(place: Place) -> str:
    from hpotool.storage.pools.waiting import describe_place, is_waiting

    return describe_place(place) if is_waiting(place) else ""


def _describe_workers(workers: PoolWorkers | None) -> str:
    if workers is None:
        return "no workers"
    return f"{count_of(workers.alive, 'worker')}, {workers.alive - workers.busy or 'none'} of them free"
