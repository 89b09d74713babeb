"""``hpotool plot``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import default_file, say
from hpotool.errors import InputError

if TYPE_CHECKING:
    from optuna import Study


_KINDS = (
    "history, slice, parallel, contour, rank, importance, edf (values reached), reports, timeline, pareto "
    "or hypervolume."
)


class What(str, Enum):
    """The kinds of plot."""

    HISTORY = "history"
    PARETO = "pareto"
    IMPORTANCE = "importance"
    SLICE = "slice"
    PARALLEL = "parallel"
    CONTOUR = "contour"
    RANK = "rank"
    EDF = "edf"
    REPORTS = "reports"
    TIMELINE = "timeline"
    HYPERVOLUME = "hypervolume"


def plot(
    context: typer.Context,
    what: Annotated[What, typer.Argument(metavar="WHAT", help=_KINDS)] = What.HISTORY,
    more: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STUDY...",
            help="Further studies in the same plot (history, edf).",
            show_default=False,
        ),
    ] = None,
    study: StudyOption = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", "-m", metavar="NAME", help="The metric [default: the first].", show_default=False
        ),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            metavar="NAME",
            help="Only this parameter; can be repeated (slice, parallel, contour, rank) "
            "[default: all; for pairs, the four most important].",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A page (.html) or an image (.svg, .png, .pdf) [default: STUDY-WHAT.html, here].",
            show_default=False,
        ),
    ] = None,
    is_opened: Annotated[bool, typer.Option("--open", help="Open the file afterwards.")] = False,
    storage: StorageOption = None,
) -> None:
    """Plot a study as a self-contained HTML page or as an image."""
    from hpotool.analysis.pictures.plots import draw, draw_image, ending_of
    from hpotool.cli.database import connect, load_study

    ending = ending_of(output) if output else "html"
    connection = connect(storage)
    studies = [load_study(connection, name) for name in _names(context, study, more or [])]
    path = output or _default_path(studies, what)
    if ending == "html":
        written = draw(studies, what.value, metric, parameters or []).encode()
    else:
        written = draw_image(studies, what.value, ending, metric, parameters or [])
    try:
        path.write_bytes(written)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", "choose another --output") from error
    say(f"wrote {path}")
    if is_opened:
        typer.launch(path.resolve().as_uri())


def _names(context: typer.Context, study: str | None, more: Sequence[str]) -> list[str | None]:
    """The studies to plot; names on the command line take precedence over HPOTOOL_STUDY."""
    source = context.get_parameter_source("study")
    is_typed = source is not None and source.name == "COMMANDLINE"
    if more and not is_typed:
        return list(dict.fromkeys(more))
    return list(dict.fromkeys([study, *more]))


def _default_path(studies: Sequence[Study], what: What) -> Path:
    return default_file([study.study_name for study in studies], f"-{what.value}.html")
