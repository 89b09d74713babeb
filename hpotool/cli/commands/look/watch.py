"""``hpotool watch``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.commands.look.status import draw_status
from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import console, say
from hpotool.cli.text import cell

if TYPE_CHECKING:
    from hpotool.analysis.status import StudyStatus

_OVER = ("done", "stopped")


def watch(
    study: StudyOption = None,
    interval: Annotated[float, typer.Option("--interval", "-n", min=0.1, help="Seconds between two looks.")] = 1.0,
    storage: StorageOption = None,
) -> None:
    """Follow a study until it is done: a live view in a terminal, one line per change elsewhere."""
    from hpotool.analysis.status import read_status
    from hpotool.cli.database import connect, load_study

    connection = connect(storage)
    loaded = load_study(connection, study)

    def look() -> StudyStatus:
        return read_status(connection, loaded)

    if sys.stdout.isatty():
        _watch_live(look, interval)
    else:
        _watch_lines(look, interval)


def _is_over(found: StudyStatus) -> bool:
    return found.progress.state in _OVER and not found.progress.summary.trials.get("RUNNING")


def _watch_live(look: Callable[[], StudyStatus], interval: float) -> None:
    from rich.live import Live

    with Live(console=console(), auto_refresh=False) as live:
        while True:
            found = look()
            live.update(draw_status(found), refresh=True)
            if _is_over(found):
                return
            time.sleep(interval)


def _watch_lines(look: Callable[[], StudyStatus], interval: float) -> None:
    last = ""
    while True:
        found = look()
        line = _line(found)
        if line != last:
            say(line)
            last = line
        if _is_over(found):
            return
        time.sleep(interval)


def _line(found: StudyStatus) -> str:
    data = found.as_data()
    budget = data["budget"]
    limit = "" if budget["trials"] is None else f"/{budget['trials']}"
    taken_over = f" (+{budget['taken_over']} taken over)" if budget["taken_over"] else ""
    best = data["best"][0]["values"] if len(data["best"]) == 1 else {}
    shown = "  ".join(f"best {name}={cell(value)}" for name, value in best.items())
    counts = ", ".join(f"{count} {state.lower()}" for state, count in data["trials"].items())
    finished = f"{budget['finished']}{limit} finished{taken_over}"
    return f"{data['study']} {data['state']}  {finished}  {counts}  {shown}".rstrip()
