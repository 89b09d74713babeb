"""``hpotool importance``."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, show
from hpotool.cli.screen.text import cell, words
from hpotool.errors import InputError
from hpotool.study.wording import plain_cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from hpotool.analysis.importance import Importance
    from hpotool.storage.database.connection import Connection

_BAR_WIDTH = 26


class Evaluator(str, Enum):
    """How importance is measured."""

    KERNEL_ANOVA = "kernel-anova"
    PED_ANOVA = "ped-anova"
    FANOVA = "fanova"


class Target(str, Enum):
    """What is explained."""

    METRICS = "metrics"
    FAILURES = "failures"


_QUESTIONS = {
    "kernel-anova": "what moves {} anywhere in the space, alone or in pairs; [90 % interval]",
    "ped-anova": "what sets the best tenth of the trials apart",
    "fanova": "what moves {} anywhere in the space",
}
_UNTOLD = "cannot be told from noise"


def importance(
    study: StudyOption = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", "-m", metavar="NAME", help="Only this metric [default: each].", show_default=False
        ),
    ] = None,
    target: Annotated[
        Target,
        typer.Option(metavar="WHAT", help="metrics: what moves them; failures: what makes trials fail."),
    ] = Target.METRICS,
    evaluator: Annotated[
        Evaluator,
        typer.Option(
            metavar="NAME",
            help="kernel-anova: what moves the metric anywhere, and how sure that is; "
            "ped-anova: what sets the best tenth of the trials apart; fanova: a forest's answer to the first.",
        ),
    ] = Evaluator.KERNEL_ANOVA,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show how much each parameter mattered, and how sure that is."""
    from hpotool.analysis.importance import explain_failures, find_importance
    from hpotool.cli.database import connect, load_study
    from hpotool.storage.control.creation import read_spec_if_any

    _check(target, metric, evaluator)
    connection = connect(storage)
    loaded = load_study(connection, study)
    if target is Target.METRICS:
        spec = read_spec_if_any(connection, loaded.study_name)
        baseline = spec.baseline if spec else None
        found: Sequence[Importance] = find_importance(loaded, metric, evaluator.value, baseline)
    else:
        found = [explain_failures(loaded, _outcomes(connection, loaded.study_name))]
    rows = [_row(one, name, weight) for one in found for name, weight in one.importance.items()]
    data = [one.as_data() for one in found]
    show(
        Answer(
            # A single metric is one object rather than a list, because that is what scripts nearly always want.
            data=data[0] if len(data) == 1 else data,
            rows=rows,
            value="\n".join(f"{row['parameter']} {row['importance']!r}" for row in rows),
            picture=lambda: _draw(found),
        ),
        format,
    )


def _check(target: Target, metric: str | None, evaluator: Evaluator) -> None:
    """Refuse options that do not go together."""
    if target is Target.FAILURES and metric is not None:
        raise InputError("--metric names a metric, and failures have none", "hpotool importance --target failures")
    if target is Target.FAILURES and evaluator is not Evaluator.KERNEL_ANOVA:
        raise InputError(
            f"{evaluator.value} weighs metrics only, not failures", "hpotool importance --target failures"
        )


def _outcomes(connection: Connection, study: str) -> dict[int, str | None]:
    from hpotool.storage.control.studies import list_attempts

    return {number: attempts[-1]["outcome"] for number, attempts in list_attempts(connection, study).items()}


def _row(one: Importance, name: str, weight: float) -> dict[str, Any]:
    row = {"metric": one.metric, "parameter": name, "importance": weight}
    if one.sureness is None:
        return row
    low, high = one.sureness.intervals[name]
    return {**row, "low": low, "high": high, "told": name not in one.sureness.untold}


def _draw(found: Sequence[Importance]) -> RenderableType:
    from rich.console import Group

    return Group(*(part for one in found for part in (_draw_table(one), *_notes(one))))


def _draw_table(one: Importance) -> RenderableType:
    from rich import box
    from rich.bar import Bar
    from rich.table import Table

    drawn = Table(title=words(one.title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    drawn.add_column("parameter", overflow="ellipsis", no_wrap=True)
    drawn.add_column("share", justify="right", no_wrap=True)
    if one.sureness is not None:
        drawn.add_column("interval", no_wrap=True)
    drawn.add_column("", width=_BAR_WIDTH)
    for name, weight in one.importance.items():
        is_untold = one.sureness is not None and name in one.sureness.untold
        bar = words(_UNTOLD, "dim") if is_untold else Bar(1.0, 0.0, weight, width=_BAR_WIDTH, color="cyan")
        drawn.add_row(cell(name), f"{weight:.3f}", *_interval(one, name), bar, style="dim" if is_untold else "")
    if one.sureness is not None:
        share, low, high = one.sureness.random
        drawn.add_row("(a random column)", f"{share:.3f}", f"\\[{low:.2f}, {high:.2f}]", "", style="dim italic")
    return drawn


def _interval(one: Importance, name: str) -> list[str]:
    if one.sureness is None:
        return []
    low, high = one.sureness.intervals[name]
    return [f"\\[{low:.2f}, {high:.2f}]"]


def _notes(one: Importance) -> Iterator[RenderableType]:
    yield words(_QUESTIONS[one.evaluator].format(one.metric), "dim")
    if one.warning:
        yield words(one.warning, "yellow")
    for edge in one.edges:
        yield words(
            f"the best has {edge.name} {plain_cell(edge.value)}, at the {edge.side} edge of "
            f"[{plain_cell(edge.low)}, {plain_cell(edge.high)}]: there may be better ones beyond",
            "yellow",
        )
    if one.ablation_title is not None:
        yield words(f"\n{one.ablation_title}, as the model expects {one.metric}:")
        for change in one.ablation:
            yield words(f"  {plain_cell(change.expected):>10}  {' and '.join(change.parameters) or 'at first'}")
