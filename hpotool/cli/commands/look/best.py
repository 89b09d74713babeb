"""``hpotool best``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, show, table
from hpotool.cli.screen.text import words
from hpotool.errors import InputError, paste
from hpotool.study.wording import plain_cell

_EDGES_SHOWN = 5

if TYPE_CHECKING:
    from optuna import Study
    from rich.console import RenderableType
    from rich.text import Text

    from hpotool.analysis.candidates import BestTrials
    from hpotool.analysis.confirmation.answer import ConfirmationAnswer
    from hpotool.storage.database.connection import Connection


def best(
    study: StudyOption = None,
    count: Annotated[
        int, typer.Option("--count", "-n", metavar="N", min=1, help="How many trials, with one metric.")
    ] = 1,
    where: Annotated[
        str | None,
        typer.Option(
            "--where",
            metavar="CONDITION",
            help="Only among trials that match, like 'tag.kind=small and lr>0.1'; with one metric.",
            show_default=False,
        ),
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show the best trial; with several metrics, the Pareto front."""
    from hpotool.analysis.confirmation.ranking import find_confirmed_best, read_confirmed
    from hpotool.cli.database import connect, load_study
    from hpotool.storage.control.studies import has_replicates

    connection = connect(storage)
    loaded = load_study(connection, study)
    confirmed = read_confirmed(connection, loaded)
    replicates = has_replicates(connection, loaded.study_name)
    asked = count if where is None else len(loaded.get_trials(deepcopy=False)) or 1
    found = find_confirmed_best(loaded, confirmed, asked, replicates=replicates)
    if where is not None:
        found = _only(found, loaded, connection, where, count)
    answer = trials_answer(found, loaded, confirmed)
    if where is not None and found.complete:
        answer = replace(answer, empty=f"no trial that meets every constraint matches --where {where!r}")
    show(answer, format)


def _only(found: BestTrials, study: Study, connection: Connection, where: str, count: int) -> BestTrials:
    """The best among the trials that match.

    Raises:
        InputError: the study has several metrics, or the condition names what no trial has.
    """
    from hpotool.analysis.conditions import read_conditions
    from hpotool.analysis.selection import Selection, select_trials
    from hpotool.analysis.trials import list_trials
    from hpotool.storage.control.studies import list_attempts

    if len(study.directions) > 1:
        hint = paste("trials", "--study", study.study_name, "--where", where)
        raise InputError("--where needs a study with one metric: a part of the trials has another front", hint)
    records = list_trials(study, list_attempts(connection, study.study_name))
    chosen = select_trials(records, Selection(where=read_conditions(where)), "", is_maximized=False)
    numbers = {record.result.number for record in chosen}
    kept = tuple(trial for trial in found.trials if trial.number in numbers)[:count]
    return replace(found, trials=kept)


def trials_answer(found: BestTrials, study: Study, confirmed: ConfirmationAnswer | None = None) -> Answer:
    """The best trials in every output format, with parameters at the edge of their range; or why there is none."""
    from rich.console import Group

    rows = found.as_rows()

    def draw() -> RenderableType:
        return Group(
            table(rows), *confirmed_lines(found, study, confirmed), *edge_lines(study, found.trials[0].number)
        )

    return Answer(
        data=found.as_data(),
        rows=rows,
        picture=draw if rows else None,
        value="\n".join(" ".join(repr(value) for value in trial.values.values()) for trial in found.trials),
        empty=found.why_none or "",
    )


def confirmed_lines(found: BestTrials, study: Study, confirmed: ConfirmationAnswer | None) -> list[Text]:
    """What measuring again has found, and which of the trials shown were not measured again."""
    from hpotool.analysis.best import find_best
    from hpotool.analysis.confirmation.sentence import say_answer

    if confirmed is None or found.confirmed is None:
        return []
    lines = [words(say_answer(confirmed), "green" if confirmed.is_sound else "yellow")]
    shown = [trial.number for trial in found.trials]
    if len(study.directions) == 1:  # the best of the search too, which is not shown where others were confirmed
        shown = [*dict.fromkeys([*(trial.number for trial in find_best(study).trials), *shown])]
    missing = [str(number) for number in shown if number not in found.confirmed]
    if missing:
        hint = paste("confirm", "--study", study.study_name, *(f"--trial={number}" for number in missing[:5]))
        which = f"trial {missing[0]} is" if len(missing) == 1 else f"trials {', '.join(missing[:10])} are"
        lines.append(words(f"{which} not confirmed: {hint}", "yellow"))
    return lines


def edge_lines(study: Study, number: int) -> list[Text]:
    """The parameters of a trial that are at the edge of their range: one line each, below a sentence."""
    from hpotool.analysis.edges import find_edges
    from hpotool.analysis.results import read_trial

    edges = find_edges(read_trial(study, number))
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
