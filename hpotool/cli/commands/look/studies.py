"""``hpotool studies``."""

from __future__ import annotations

from hpotool.cli.options import FormatOption, StorageOption
from hpotool.cli.output import Answer, Format, show


def studies(storage: StorageOption = None, format: FormatOption = Format.TABLE) -> None:
    """List the studies of the database."""
    from dataclasses import asdict

    from hpotool.cli.database import connect
    from hpotool.storage.control.studies import list_studies

    found = list_studies(connect(storage))
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
            data=[asdict(study) for study in found],
            rows=rows,
            value="\n".join(study.name for study in found),
            empty="no studies yet; create one with: hpotool create-study FILE",
        ),
        format,
    )


_STATES = ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")
