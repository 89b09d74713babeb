"""``hpotool best``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, show, table
from hpotool.cli.screen.text import plain_cell, words

if TYPE_CHECKING:
    from optuna import Study
    from rich.text import Text

    from hpotool.analysis.candidates import BestTrials


def best(
    study: StudyOption = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many trials, with one metric.")] = 1,
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
    show(trials_answer(found, loaded), format)


def trials_answer(found: BestTrials, study: Study) -> Answer:
    """The best trials in every output format, with parameters at the edge of their range; or why there is none."""
    from rich.console import Group

    rows = [trial.as_row() for trial in found.trials]
    return Answer(
        data=found.as_data(),
        rows=rows,
        picture=(lambda: Group(table(rows), *edge_lines(study, found.trials[0].number))) if rows else None,
        value="\n".join(" ".join(repr(value) for value in trial.values.values()) for trial in found.trials),
        empty=found.why_none or "",
    )


def edge_lines(study: Study, number: int) -> list[Text]:
    """One line for each parameter of a trial that is at the edge of its range."""
    from hpotool.analysis.edges import find_edges

    trial = next(trial for trial in study.get_trials(deepcopy=False) if trial.number == number)
    return [
        words(
            f"{edge.name} {plain_cell(edge.value)} is at the {edge.side} edge of its range "
            f"[{plain_cell(edge.low)}, {plain_cell(edge.high)}]: better values may lie beyond it",
            "yellow",
        )
        for edge in find_edges(trial)
    ]
