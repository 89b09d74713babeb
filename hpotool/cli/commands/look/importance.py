"""``hpotool importance``."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from hpotool.analysis.importance import Importance

_BAR_WIDTH = 40


class Evaluator(str, Enum):
    """How importance is measured."""

    PED_ANOVA = "ped-anova"
    FANOVA = "fanova"


_QUESTIONS = {
    "ped-anova": "what sets the best tenth of the trials apart (--evaluator fanova: what changes {} anywhere)",
    "fanova": "what changes {} anywhere in the space (--evaluator ped-anova: what sets the best tenth apart)",
}


def importance(
    study: StudyOption = None,
    metric: Annotated[
        str | None, typer.Option("--metric", "-m", help="Only this metric [default: each].", show_default=False)
    ] = None,
    evaluator: Annotated[
        Evaluator,
        typer.Option(
            help="ped-anova: what sets the best tenth of trials apart; fanova: what changes the metric anywhere."
        ),
    ] = Evaluator.PED_ANOVA,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show how important each parameter is."""
    from hpotool.analysis.importance import find_importance
    from hpotool.cli.database import connect, load_study

    found = find_importance(load_study(connect(storage), study), metric, evaluator.value)
    rows = [
        {"metric": one.metric, "parameter": name, "importance": weight}
        for one in found
        for name, weight in one.importance.items()
    ]
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


def _draw(found: Sequence[Importance]) -> RenderableType:
    from rich import box
    from rich.bar import Bar
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    tables: list[RenderableType] = []
    for one in found:
        drawn = Table(title=one.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        drawn.add_column("parameter")
        drawn.add_column("importance", justify="right")
        drawn.add_column("", width=_BAR_WIDTH)
        for name, weight in one.importance.items():
            drawn.add_row(name, f"{weight:.3f}", Bar(1.0, 0.0, weight, width=_BAR_WIDTH, color="cyan"))
        tables += [drawn, Text(_QUESTIONS[one.evaluator].format(one.metric), style="dim")]
        if one.warning:
            tables.append(Text(one.warning, style="yellow"))
    return Group(*tables)
