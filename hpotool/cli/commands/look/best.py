"""``hpotool best``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, show, table
from hpotool.cli.screen.text import plain_cell, words

_EDGES_SHOWN = 5

if TYPE_CHECKING:
    from optuna import Study
    from rich.text import Text

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
    show(trials_answer(found, loaded), format)


def trials_answer(found: BestTrials, study: Study) -> Answer:
    """The best trials in every form, with what is at the edge of its range; the reason where there is none."""
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
    """What of a trial's parameters is at the edge of its range: a line each below one sentence."""
    from hpotool.analysis.edges import find_edges

    trial = next(trial for trial in study.get_trials(deepcopy=False) if trial.number == number)
    edges = find_edges(trial)
    if not edges:
        return []
    lines = [
        f"  {edge.name} {plain_cell(edge.value)}: "
        f"{edge.side} edge of [{plain_cell(edge.low)}, {plain_cell(edge.high)}]"
        for edge in edges[:_EDGES_SHOWN]
    ]
    if len(edges) > _EDGES_SHOWN:
        lines.append(f"  and {len(edges) - _EDGES_SHOWN} more")
    return [
        words(line, "yellow") for line in ["at an edge of its range, better values may lie beyond it:", *lines]
    ]
