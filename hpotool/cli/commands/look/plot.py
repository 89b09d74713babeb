"""``hpotool plot``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import say
from hpotool.errors import InputError


class What(str, Enum):
    """What is drawn."""

    HISTORY = "history"
    PARETO = "pareto"
    IMPORTANCE = "importance"
    SLICE = "slice"
    PARALLEL = "parallel"
    REPORTS = "reports"
    TIMELINE = "timeline"


def plot(
    what: Annotated[What, typer.Argument(help="What to draw.")] = What.HISTORY,
    study: StudyOption = None,
    metric: Annotated[
        str | None,
        typer.Option("--metric", "-m", help="Which metric [default: the first].", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="[default: STUDY-WHAT.html, here]", show_default=False
        ),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Draw a study as an HTML page that needs nothing but a browser."""
    from hpotool.analysis.plots import draw
    from hpotool.cli.database import connect, load_study

    loaded = load_study(connect(storage), study)
    page = draw(loaded, what.value, metric)
    path = output or Path(f"{loaded.study_name}-{what.value}.html")
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", "choose another --output") from error
    say(f"wrote {path}")
