"""``hpotool status``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, show, table
from hpotool.cli.text import cell, words
from hpotool.study.doors import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hpotool.analysis.status import StudyStatus

_BAR_WIDTH = 40


def status(study: StudyOption = None, storage: StorageOption = None, format: FormatOption = Format.TABLE) -> None:
    """Show how far a study is, who works on it, and the best so far."""
    from hpotool.analysis.status import read_status
    from hpotool.cli.database import connect, load_study

    connection = connect(storage)
    found = read_status(connection, load_study(connection, study))
    data = found.as_data()
    show(
        Answer(
            data=data,
            rows=[_row(data)],
            value=data["state"],
            picture=lambda: draw_status(found),
        ),
        format,
    )


def draw_status(found: StudyStatus) -> RenderableType:
    """A study's status for a person: one line, a bar, the best trials and the workers."""
    from rich.console import Group
    from rich.text import Text

    data = found.as_data()
    state = data["state"], _STATE_STYLES.get(data["state"], "")
    headline = Text.assemble((visible(data["study"]), "bold"), "  ", state)
    if data["reason"]:
        headline.append(visible(f"  {data['reason']}"))
    parts: list[RenderableType] = [headline, _draw_progress(data)]
    parts += [
        Text(f"tier {number}: {tier.finished}/{tier.trials} up to step {tier.steps}, {tier.running} running")
        for number, tier in enumerate(found.tiers, start=1)
    ]
    if found.best.trials:
        title = "best so far" if data["state"] != "done" else "best"
        parts.append(table([trial.as_row() for trial in found.best.trials], title))
    elif found.best.why_none:
        parts.append(words(found.best.why_none))
    if data["warning"]:
        parts.append(words(f"warning: {data['warning']}", "yellow"))
    if data["workers"]:
        parts.append(table(data["workers"], "workers"))
    return Group(*parts)


def _draw_progress(data: Mapping[str, Any]) -> RenderableType:
    from rich.bar import Bar
    from rich.table import Table
    from rich.text import Text

    budget, finished = data["budget"]["trials"], data["budget"]["finished"]
    counts = ", ".join(f"{count} {state.lower()}" for state, count in data["trials"].items()) or "no trials yet"
    line = Table.grid(padding=(0, 2))
    if budget is None:
        line.add_row(Text(f"{finished} finished{_say_taken_over(data)}, no limit"), Text(counts, style="dim"))
    else:
        bar = Bar(max(budget, 1), 0, min(finished, budget), width=_BAR_WIDTH, color="green")
        line.add_row(bar, Text(f"{finished}/{budget}{_say_taken_over(data)}"), Text(counts, style="dim"))
    return line


def _say_taken_over(data: Mapping[str, Any]) -> str:
    taken_over = data["budget"]["taken_over"]
    return f" (+{taken_over} taken over)" if taken_over else ""


def _row(data: Mapping[str, Any]) -> dict[str, Any]:
    best = data["best"][0] if data["best"] else None
    return {
        "study": data["study"],
        "state": data["state"],
        "finished": data["budget"]["finished"],
        "budget": data["budget"]["trials"],
        **{state.lower(): count for state, count in data["trials"].items()},
        "workers": len(data["workers"]),
        "best": None if best is None else " ".join(cell(value) for value in best["values"].values()),
    }


_STATE_STYLES = {"running": "cyan", "done": "green", "paused": "yellow", "draining": "yellow", "stopped": "red"}
