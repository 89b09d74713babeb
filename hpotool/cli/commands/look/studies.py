"""``hpotool studies``."""

from __future__ import annotations

from typing import Annotated

import typer

from hpotool.cli.options import FormatOption, StorageOption
from hpotool.cli.output import Answer, Format, show


def studies(
    all: Annotated[bool, typer.Option("--all", "-a", help="Also those that are archived.")] = False,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List the studies of the database."""

    from hpotool.cli.database import connect
    from hpotool.storage.control.studies import list_studies

    found = [study for study in list_studies(connect(storage)) if all or not study.is_archived]
    rows = [
        {
            "study": study.name,
            "metrics": ", ".join(f"{metric} ({direction})" for metric, direction in study.metrics.items()),
            **{state.lower(): study.trials.get(state, 0) for state in _STATES},
        }
        for study in found
    ]
    show(
        Answer(
            data=[{"name": study.name, "metrics": study.metrics, "trials": study.trials} for study in found],
            rows=rows,
            value="\n".join(study.name for study in found),
            empty="no studies yet; create one with: hpotool create-study FILE",
        ),
        format,
    )


_STATES = ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")
