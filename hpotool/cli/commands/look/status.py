"""``hpotool status``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, show
from hpotool.cli.screen.text import cell

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hpotool.analysis.status import StudyStatus

_WIDEST_BAR = 120


def status(study: StudyOption = None, storage: StorageOption = None, format: FormatOption = Format.TABLE) -> None:
    """Show a study's progress, its workers, and the best result so far."""
    from hpotool.analysis.status import read_status
    from hpotool.cli.database import connect, load_study

    connection = connect(storage)
    found = read_status(connection, load_study(connection, study), looks_ahead=True)
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
    """A study's status for people: progress, pace, best result, failures and workers."""
    from rich.console import Group
    from rich.text import Text

    from hpotool.cli.screen import study_parts as parts

    shown = [
        parts.headline(found),
        parts.progress_line(found, _WIDEST_BAR),
        parts.counts_line(found),
        parts.pace_line(found),
        *parts.place_lines(found),
        *parts.tier_lines(found),
        *parts.confirmation_lines(found),
        *parts.warning_lines(found),
        Text(),
        *parts.best_parts(found),
        *(_apart(parts.failures_table(found))),
        parts.failure_region_line(found),
        *parts.outlook_lines(found),
        *(_apart(parts.workers_table(found))),
    ]
    return Group(*(part for part in shown if part is not None))


def _apart(part: RenderableType | None) -> list[RenderableType]:
    return [] if part is None else ["", part]


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
