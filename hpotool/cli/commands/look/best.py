"""``hpotool best``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, show

if TYPE_CHECKING:
    from hpotool.analysis.candidates import BestTrials


def best(
    study: StudyOption = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many, of one metric.")] = 1,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show the best trial; with several metrics, the Pareto front."""
    from hpotool.analysis.best import find_best
    from hpotool.cli.database import connect, load_study
    from hpotool.storage.control.studies import has_replicates

    connection = connect(storage)
    loaded = load_study(connection, study)
    found = find_best(loaded, count, replicates=has_replicates(connection, loaded.study_name))
    show(trials_answer(found), format)


def trials_answer(found: BestTrials) -> Answer:
    """The best trials in every form; the reason where there is none."""
    return Answer(
        data=found.as_data(),
        rows=[trial.as_row() for trial in found.trials],
        value="\n".join(" ".join(repr(value) for value in trial.values.values()) for trial in found.trials),
        empty=found.why_none or "",
    )
