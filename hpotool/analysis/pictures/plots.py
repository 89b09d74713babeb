"""Plots of a study: self-contained pages or images. Optuna's own figures, in one style.

Plotly draws pages and Matplotlib images; both are part of an extra (``pip install 'hpotool[plot]'``).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from hpotool.analysis.pictures.picture import Picture, Plot, compose
from hpotool.errors import InputError

if TYPE_CHECKING:
    from optuna import Study

IMAGES = ("svg", "png", "pdf")


def draw(
    study: Study | Sequence[Study], plot: Plot, metric: str | None = None, parameters: Sequence[str] = ()
) -> str:
    """Return the picture as a self-contained HTML page, including 4 MB of Plotly.

    Args:
        study: history and edf draw several in one plot.
        metric: the metric of a plot of one metric. Default: the first.
        parameters: the parameters of a plot of parameters. Default: all, or the most important ones.

    Raises:
        NotFoundError: the study has no such metric or parameter.
        InputError: the study has nothing to show yet, or Plotly is not installed.
    """
    _require("plotly")
    from hpotool.analysis.pictures.pages import render_page

    with _quietly():
        picture = compose(_several(study), plot, metric, parameters)
        with _explained(picture, "another plot, or an image: -o plot.png"):
            return render_page(picture)


def draw_image(
    study: Study | Sequence[Study],
    plot: Plot,
    ending: str,
    metric: str | None = None,
    parameters: Sequence[str] = (),
) -> bytes:
    """Return the picture as an image in the format ``ending``, one of `IMAGES`; otherwise like `draw`."""
    _require("matplotlib")
    from hpotool.analysis.pictures.images import render_image

    with _quietly():
        picture = compose(_several(study), plot, metric, parameters)
        with _explained(picture, "another plot, or a page: -o plot.html"):
            return render_image(picture, ending)


def ending_of(path: Path) -> str:
    """Return the format for a file of that name: ``html``, or one of `IMAGES`.

    Raises:
        InputError: its ending is unknown or missing.
    """
    ending = path.suffix.lower().removeprefix(".")
    if ending not in ("html", *IMAGES):
        said = f"ends in .{ending}" if ending else "has no ending"
        name = "plot" if path.name.startswith(".") else path.stem
        raise InputError(f"a plot is html, svg, png or pdf, but {path} {said}", f"-o {name}.png")
    return ending


def _several(study: Study | Sequence[Study]) -> Sequence[Study]:
    return study if isinstance(study, Sequence) else [study]


def _require(package: str) -> None:
    try:
        import_module(package)  # Optuna itself would raise with a traceback if it is missing
    except ImportError:
        name = package.capitalize()
        raise InputError(f"plots need {name}, which is not installed", "pip install 'hpotool[plot]'") from None


@contextmanager
def _explained(picture: Picture, instead: str) -> Iterator[None]:
    """Turn errors for plots that Optuna or its library cannot draw (choices over 64 bits) into a message."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        name = picture.study.study_name
        raise InputError(f"{picture.plot} of study {name!r} cannot be drawn: {error}", f"try {instead}") from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Suppress warnings that a figure is experimental, or leaves out a constant parameter."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
