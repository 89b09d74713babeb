"""``hpotool quarantine``: hosts and GPUs that take no trials of a study."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.errors import InputError, NotFoundError, paste

if TYPE_CHECKING:
    from datetime import timedelta

    from rich.console import RenderableType

    from hpotool.storage.fleet.attempts import Run
    from hpotool.storage.fleet.quarantines import Quarantine

_EVERY = "all"
_LASTS = "24h"


def quarantine(
    study: StudyOption = None,
    add: Annotated[
        str | None,
        typer.Option(
            "--add",
            metavar="PLACE",
            help="Give no more trials to this host, or GPU (its UUID).",
            show_default=False,
        ),
    ] = None,
    lasts: Annotated[
        str | None,
        typer.Option("--for", metavar="DURATION", help="With --add: how long [default: 24h].", show_default=False),
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="With --add: why.", show_default=False)
    ] = "",
    lift: Annotated[
        str | None,
        typer.Option(
            "--lift", metavar="PLACE", help="Give trials to this host or GPU again, or to all.", show_default=False
        ),
    ] = None,
    past: Annotated[bool, typer.Option("--past", help="Also list what was lifted or has expired.")] = False,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List the hosts and GPUs that take no trials of a study; add or lift one.

    Workers put a host or GPU in quarantine if it fails what succeeds elsewhere.
    """
    from hpotool.cli.database import adopt_study, connect, identify_study

    if add is not None and lift is not None:
        raise InputError("--add and --lift cannot go together", "hpotool quarantine --lift PLACE")
    if add is None and reason:
        raise InputError("--reason says why a place is added, but --add is missing", "--add PLACE --reason TEXT")
    if add is None and lasts is not None:
        raise InputError("--for says how long a place is added, but --add is missing", "--add PLACE --for 2h")
    if add is not None and not add.strip():
        raise InputError("--add names no host or GPU", "write --add HOST; hpotool workers lists the hosts")
    duration = _duration(lasts or _LASTS)
    connection = connect(storage)
    study_id, name = (identify_study if add is None else adopt_study)(connection, study)
    if add is not None:
        _add(connection.run, study_id, name, add, duration, reason)
    elif lift is not None:
        _lift(connection.run, study_id, name, lift)
    else:
        _list(connection.run, study_id, with_past=past, format=format)


def _duration(text: str) -> timedelta:
    from hpotool.study.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(f"--for {error}", "write it like --for 2h") from None


def _add(run: Run, study_id: int, study: str, name: str, lasts: timedelta, reason: str) -> None:
    from hpotool.api.actor import current_actor
    from hpotool.storage.control.launches import list_fleet
    from hpotool.storage.fleet.quarantines import begin_quarantine, find_host_of_device
    from hpotool.study.rules.quarantine import Place

    place = Place(name)
    if name.startswith(("GPU-", "MIG-")):
        place = Place(find_host_of_device(run, study_id, name) or "unknown", name)
    why = reason or f"added by {current_actor()}"
    if begin_quarantine(run, study_id, place, why, current_actor(), lasts=lasts) is None:
        raise InputError(f"{name} is in quarantine already", paste("quarantine", "--study", study))
    fleet = [worker for worker in list_fleet(run, study_id) if not worker.has_ended]
    held = sum(worker.waits is not None and worker.waits.startswith(f"{name} is in") for worker in fleet)
    say(f"{name} takes no more trials of {study}; workers there: {held}. What runs there goes on.")
    if fleet and held == len(fleet):
        say(
            "no other worker is left; to give it trials again: "
            + paste("quarantine", "--study", study, "--lift", name)
        )
    if place.device is None:
        say("to run again what failed there: " + paste("retry", "--study", study, "--where", f"host={name}"))


def _lift(run: Run, study_id: int, study: str, name: str) -> None:
    from hpotool.api.actor import current_actor
    from hpotool.storage.fleet.quarantines import lift_quarantines, list_quarantines

    found = [each.place.name for each in list_quarantines(run, study_id)]
    matching = [
        each for each in found if each == name or (name.startswith(("GPU-", "MIG-")) and each.startswith(name))
    ]
    if name != _EVERY and len(matching) != 1:
        there = f"in quarantine: {', '.join(found)}" if found else "nothing is in quarantine"
        raise NotFoundError(f"{name} is not in quarantine; {there}", paste("quarantine", "--study", study))
    lifted = lift_quarantines(run, study_id, None if name == _EVERY else matching[0], current_actor())
    for each in lifted:
        say(f"{each} takes trials of {study} again")
    if not lifted:
        say("nothing was in quarantine")


def _list(run: Run, study_id: int, *, with_past: bool, format: Format) -> None:
    from hpotool.storage.fleet.quarantines import list_quarantines

    found = list_quarantines(run, study_id, with_past=with_past)
    data = [_as_data(each) for each in found]
    show(
        Answer(
            data=data,
            rows=data,
            value="\n".join(each.place.name for each in found if each.is_open),
            picture=(lambda: _draw(found)) if found else None,
            empty="nothing is in quarantine",
        ),
        format,
    )


def _as_data(entry: Quarantine) -> dict[str, Any]:
    return {
        "place": entry.place.name,
        "host": entry.host,
        "device": entry.device,
        "is_open": entry.is_open,
        "reason": entry.reason,
        "by": entry.began_by,
        "since": entry.began_at.astimezone(timezone.utc).isoformat(timespec="seconds"),
        "until": (entry.lifted_at or entry.until).astimezone(timezone.utc).isoformat(timespec="seconds"),
        "lifted_by": entry.lifted_by,
    }


def _draw(found: Sequence[Quarantine]) -> RenderableType:
    from datetime import datetime

    from hpotool.cli.screen.tables import Fitted
    from hpotool.study.wording import format_clock, zone

    now = datetime.now(timezone.utc)
    rows = [
        {
            "place": each.place.name,
            "host": each.host if each.device else None,
            "state": "quarantined"
            if each.is_open
            else f"lifted by {each.lifted_by}"
            if each.lifted_by
            else "over",
            f"until ({zone(now)})": format_clock(each.lifted_at or each.until, now),
            "why": each.reason,
            "by": each.began_by,
        }
        for each in found
    ]
    if not any(row["host"] for row in rows):
        rows = [{name: value for name, value in row.items() if name != "host"} for row in rows]
    return Fitted(rows, style=lambda row: "yellow" if row["state"] == "quarantined" else "dim")
