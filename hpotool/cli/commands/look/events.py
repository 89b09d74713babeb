"""``hpotool events``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.analysis.insights.event_words import describe_event, describe_reason
from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, show
from hpotool.study.doors import visible
from hpotool.study.wording import format_clock, zone

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hpotool.storage.control.orders import Event
    from hpotool.storage.fleet.attempts import Run

_ASK_EVERY_S = 1.0
# Concurrent transactions may commit in a different order than their events were numbered.
_OVERLAP = 200


def events(
    study: StudyOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new events.")] = False,
    trial: Annotated[
        int | None,
        typer.Option("--trial", metavar="N", min=0, help="Only events of this trial.", show_default=False),
    ] = None,
    last: Annotated[int, typer.Option("--last", "-n", metavar="N", min=1, help="Only the last N events.")] = 50,
    storage: StorageOption = None,
    format: Annotated[
        Format, typer.Option("--format", metavar="FORMAT", help="table, json, csv, yaml or value.")
    ] = Format.TABLE,
) -> None:
    """List what happened in a study: every change of a trial's state, by whom and why."""
    from hpotool.cli.database import connect, identify_study
    from hpotool.storage.control.orders import read_events

    connection = connect(storage)
    study_id, _ = identify_study(connection, study)
    found = read_events(connection.run, study_id, number=trial, last=last)
    if follow:
        _follow(connection.run, study_id, trial, found, format)
        return
    rows = [_as_data(event) for event in found]
    show(
        Answer(
            data=rows,
            rows=rows,
            value="\n".join(map(_sentence, found)),
            picture=(lambda: _draw(found)) if found else None,
            empty="nothing has happened yet",
        ),
        format,
    )


def _follow(run: Run, study_id: int, trial: int | None, found: list[Event], format: Format) -> None:
    for event in _endlessly(run, study_id, trial, found):
        line = json.dumps(_as_data(event)) if format is Format.JSON else _sentence(event)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _endlessly(run: Run, study_id: int, trial: int | None, found: list[Event]) -> Iterator[Event]:
    from hpotool.storage.control.orders import read_events

    yield from found
    known = {event.event_id for event in found}
    newest = max(known, default=0)
    while True:
        time.sleep(_ASK_EVERY_S)
        for event in read_events(run, study_id, after=newest - _OVERLAP, number=trial):
            if event.event_id not in known and event.event_id > min(known, default=0):
                known.add(event.event_id)
                yield event
        newest = max(known, default=0)
        known = {event_id for event_id in known if event_id > newest - 2 * _OVERLAP}


def _as_data(event: Event) -> dict[str, Any]:
    return {
        "at": event.at.astimezone(timezone.utc).isoformat(timespec="seconds"),
        "event": event.kind,
        "trial": event.number,
        "from": event.from_state,
        "to": event.to_state,
        "by": event.actor,
        "reason": event.reason,
    }


def _draw(events: Sequence[Event]) -> RenderableType:
    """Short times in the local time zone, which the column's heading names once."""
    from hpotool.cli.screen.tables import Fitted

    now = datetime.now(timezone.utc)
    rows = [
        {
            zone(now): format_clock(event.at, now),
            "trial": event.number,
            "event": describe_event(event),
            "reason": describe_reason(event),
            "by": event.actor,
        }
        for event in events
    ]
    return Fitted(rows, style=_style)


def _style(row: Mapping[str, Any]) -> str:
    return {"failed": "red", "lost": "red", "stopped": "red", "paused": "yellow", "handed back": "yellow"}.get(
        row["event"], ""
    )


def _sentence(event: Event) -> str:
    trial = "" if event.number is None else f"trial {event.number} "
    is_moved = event.kind == "state" and event.from_state
    moved = f" ({event.from_state} → {event.to_state})" if is_moved else ""
    reason = f": {event.reason}" if event.reason else ""
    at = event.at.astimezone(timezone.utc)
    return visible(f"{at:%Y-%m-%d %H:%M:%S} UTC {trial}{describe_event(event)}{moved} by {event.actor}{reason}")
