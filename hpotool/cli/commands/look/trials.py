"""``hpotool trials``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, show
from hpotool.errors import paste


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
        typer.Option("--state", help="Only trials in this state; may be given several times.", show_default=False),
    ] = None,
    last: Annotated[
        int | None, typer.Option("--last", min=1, help="Only the last so many.", show_default=False)
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List the trials with their outcome, values, parameters and attempts."""
    from hpotool.analysis.trials import list_trials
    from hpotool.cli.database import connect, load_study
    from hpotool.storage.control.studies import list_attempts

    connection = connect(storage)
    loaded = load_study(connection, study)
    attempts = list_attempts(connection, loaded.study_name)
    records = list_trials(loaded, attempts, [one.name for one in state or []])[-(last or 0) :]
    show(
        Answer(
            data=[record.as_data() for record in records],
            rows=[record.as_row() for record in records],
            value="\n".join(str(record.result.number) for record in records),
            empty="no such trials"
            if state
            else f"no trials yet; start a worker: {paste('worker', '--study', loaded.study_name)}",
        ),
        format,
    )
