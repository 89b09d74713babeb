"""``hpotool watch``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import console, say
from hpotool.cli.screen.text import cell

if TYPE_CHECKING:
    from optuna import Study
    from rich.console import RenderableType

    from hpotool.analysis.status import StudyStatus
    from hpotool.storage.database.connection import Connection


def watch(
    study: StudyOption = None,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", min=0.1, help="Seconds between refreshes.")
    ] = 1.0,
    storage: StorageOption = None,
) -> None:
    """Follow a study until it is done: as a screen in a terminal, elsewhere as one line per change.

    Keys: q to quit, p to pause or resume the study, s to sort the latest trials, o to open a trial.
    """
    from hpotool.analysis.insights.gain import GainFollower
    from hpotool.analysis.status import read_status
    from hpotool.cli.database import connect, load_study
    from hpotool.storage.control.creation import read_spec_if_any

    connection = connect(storage)
    loaded = load_study(connection, study)
    is_screen = sys.stdout.isatty() and not console().is_dumb_terminal
    follower = GainFollower(lambda: read_spec_if_any(connection, loaded.study_name)) if is_screen else None

    def look() -> StudyStatus:
        return read_status(connection, loaded, follower=follower)

    if is_screen:
        _watch_live(connection, loaded, look, interval)
    else:
        _watch_lines(look, interval)


def _watch_live(connection: Connection, study: Study, look: Callable[[], StudyStatus], interval: float) -> None:
    from hpotool.api.actor import current_actor
    from hpotool.cli.commands.look.show import draw_trial
    from hpotool.cli.commands.look.status import draw_status
    from hpotool.cli.database import load_study
    from hpotool.cli.screen.live_screen import LiveScreen, Wish
    from hpotool.storage.control.orders import adopt_study, set_state

    def move(state: Wish) -> None:
        adopt_study(connection.run, study._study_id)
        set_state(connection.run, study._study_id, state, "", current_actor())

    def open_trial(number: int) -> RenderableType:
        return draw_trial(connection, load_study(connection, study.study_name, with_reevaluations=True), number)

    found = LiveScreen(console(), look, move, open_trial, interval).run()
    console().print(draw_status(found))


def _watch_lines(look: Callable[[], StudyStatus], interval: float) -> None:
    last = ""
    while True:
        found = look()
        line = _line(found)
        if line != last:
            say(line)
            last = line
        if found.is_over:
            return
        time.sleep(interval)


def _line(found: StudyStatus) -> str:
    data = found.as_data()
    budget = data["budget"]
    limit = "" if budget["trials"] is None else f"/{budget['trials']}"
    other = f" (+{budget['taken_over']} from another study)" if budget["taken_over"] else ""
    best = data["best"][0]["values"] if len(data["best"]) == 1 else {}
    shown = "  ".join(f"best {name}={cell(value)}" for name, value in best.items())
    counts = ", ".join(f"{count} {state.lower()}" for state, count in data["trials"].items())
    finished = f"{budget['finished']}{limit} finished{other}"
    return f"{data['study']} {data['state']}  {finished}  {counts}  {shown}".rstrip()
