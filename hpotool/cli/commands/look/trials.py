"""``hpotool trials``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, show
from hpotool.errors import paste

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hpotool.analysis.selection import Selection
    from hpotool.analysis.trials import TrialRecord


class State(str, Enum):
    """Optuna's trial states."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAIL = "fail"


def trials(
    study: StudyOption = None,
    state: Annotated[
        list[State] | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="Only trials that are waiting, running, complete, pruned or fail; can be repeated.",
            show_default=False,
        ),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only trials that failed and were not retried.")
    ] = False,
    where: Annotated[
        str | None,
        typer.Option(
            "--where",
            metavar="CONDITION",
            help="Only trials that match, like 'lr>0.1 and state=complete'.",
            show_default=False,
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort",
            metavar="COLUMN",
            help="Sort by this column, smallest first; -COLUMN for largest first.",
            show_default=False,
        ),
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="Reverse the order.")] = False,
    top: Annotated[
        int | None,
        typer.Option(
            "--top", metavar="N", min=1, help="Only the first N by --sort, or else the N best.", show_default=False
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option("--last", "-n", metavar="N", min=1, help="Only the last N trials.", show_default=False),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="A,B", help="Columns of the table or CSV.", show_default=False),
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List the trials with their outcome, values, reason and parameters.

    A table shows a retried trial as one row: under its first number, with the newest one as its retry.
    """
    from hpotool.analysis.conditions import read_conditions
    from hpotool.analysis.results import direction_signs, metric_names
    from hpotool.analysis.selection import Selection, select_trials
    from hpotool.analysis.trials import list_trials
    from hpotool.cli.database import connect, load_study
    from hpotool.storage.control.studies import list_attempts

    sort_by = None if sort is None else sort.removeprefix("-")
    selection = Selection(
        states=tuple(one.name for one in state or ()),
        failed=failed,
        where=() if where is None else read_conditions(where),
        sort=sort_by,
        descending=(sort != sort_by) != reverse,
        top=top,
        last=last,
        columns=() if columns is None else tuple(name.strip() for name in columns.split(",")),
    )
    connection = connect(storage)
    loaded = load_study(connection, study, with_reevaluations=True)
    every = list_trials(loaded, list_attempts(connection, loaded.study_name))
    is_maximized = direction_signs(loaded)[0] < 0
    records = select_trials(every, selection, metric_names(loaded)[0], is_maximized=is_maximized)
    show(_answer(records, selection, loaded.study_name, every), format)


def _answer(
    records: Sequence[TrialRecord], selection: Selection, study: str, every: Sequence[TrialRecord]
) -> Answer:
    from hpotool.analysis.selection import Selection, choose_columns, list_columns

    known = list_columns(record.as_row() for record in every) if selection.columns else ()
    start = f"no trials yet; start a worker: {paste('worker', '--study', study)}"
    none = "no trial has failed for good" if selection == Selection(failed=True) else "no such trials"
    return Answer(
        data=[record.as_data() for record in records],
        rows=choose_columns([record.as_row() for record in records], selection.columns, known),
        value="\n".join(str(record.result.number) for record in records),
        picture=(lambda: _draw(records, selection, known)) if records else None,
        empty=none if every else start,
    )


def _draw(records: Sequence[TrialRecord], selection: Selection, known: Sequence[str] = ()) -> RenderableType:
    from hpotool.analysis.selection import choose_columns, drop_empty, fold_retries
    from hpotool.cli.screen.tables import Fitted

    rows = fold_retries(records)
    if selection.columns:
        return Fitted(choose_columns(rows, selection.columns, known))
    return Fitted(drop_empty(rows), style=_style)


def _style(row: Mapping[str, Any]) -> str:
    return {"FAIL": "red", "PRUNED": "dim", "RUNNING": "cyan"}.get(row.get("state", ""), "")
