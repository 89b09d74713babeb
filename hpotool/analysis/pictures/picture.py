"""The content of a plot, checked before anything is drawn: the kind, the studies, the metric, the title."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hpotool.analysis.importance import Importance, find_importance
from hpotool.analysis.pictures.metric_view import last_reports, metric_view
from hpotool.analysis.results import complete_trials, direction_signs, metric_index, metric_names
from hpotool.errors import HpotoolError, InputError, NotFoundError, paste

if TYPE_CHECKING:
    from optuna import Study

Plot = Literal[
    "history", "pareto", "importance", "slice", "parallel", "contour", "rank", "edf", "reports", "timeline",
    "hypervolume",
]  # fmt: skip
_OF_SEVERAL_STUDIES = ("history", "edf")
_OF_PAIRS = ("contour", "rank")
_OF_TWO_TRIALS = ("contour", "edf")  # Optuna draws nothing of one
_TITLE = 92  # characters of a title on one line
MOST_IN_PAIRS = 4  # the number of parameters whose pairs still fit one window

# One palette for both libraries; several studies use the colours of STUDIES in turn.
TRIAL, BEST, MUTED, WARNING, TEXT, GRID = "#6f9bd1", "#1f3b63", "#a3abb6", "#c8553d", "#2b2f36", "#e6e9ed"
STUDIES = ("#3a6ea8", "#c8553d", "#4d8f5b", "#8a5aa8", "#b8862b", "#3d8f94")
STATES = {"COMPLETE": TRIAL, "PRUNED": MUTED, "FAIL": WARNING, "RUNNING": "#4d8f5b", "WAITING": GRID}


@dataclass(frozen=True)
class Picture:
    """A plot that can be drawn.

    Attributes:
        studies: the studies, the first one first.
        views: the studies with only ``metric``.
        parameters: the parameters to draw; ``None``: all.
        importance: the figures for ``importance``.
    """

    plot: Plot
    studies: tuple[Study, ...]
    views: tuple[Study, ...]
    metric: str
    parameters: list[str] | None = None
    importance: Importance | None = None

    @property
    def study(self) -> Study:
        """The first study."""
        return self.studies[0]

    @property
    def view(self) -> Study:
        """The first study, with only the metric."""
        return self.views[0]

    @property
    def title(self) -> str:
        """The title: the studies' names and the content of the plot."""
        names = " and ".join(metric_names(self.study))
        what = {
            "history": f"history of {self.metric} ({_direction(self.view)})",
            "pareto": f"Pareto front of {names}",
            "importance": self.importance.title if self.importance else "",
            "slice": f"{self.metric} by parameter",
            "parallel": f"parameters and {self.metric} ({_direction(self.view)})",
            "contour": f"{self.metric} over pairs of parameters ({_direction(self.view)})",
            "rank": f"rank of {self.metric} over pairs of parameters ({_direction(self.view)})",
            "edf": f"share of trials up to each {self.metric} ({_direction(self.view)})",
            "reports": "reports by step",
            "timeline": "timeline",
            "hypervolume": f"hypervolume of {names}",
        }[self.plot]
        title = f"{', '.join(study.study_name for study in self.studies)}: {what}"
        return "\n".join(textwrap.wrap(title, _TITLE, break_on_hyphens=False))

    def pruned(self, study: Study) -> Mapping[int, float]:
        """The last reports of pruned trials, if they are reports of the metric being drawn."""
        return last_reports(study) if len(self.study.directions) == 1 else {}

    def best_number(self) -> int | None:
        """The best trial of the metric; None if no feasible trial is complete."""
        try:
            return int(self.view.best_trial.number)
        except ValueError:
            return None

    def reference_point(self) -> list[float]:
        """The reference point of a hypervolume: the worst value of each metric over all complete trials."""
        columns = zip(*(trial.values for trial in complete_trials(self.study)), strict=True)
        signs = direction_signs(self.study)
        finite = [[value for value in column if math.isfinite(value)] for column in columns]
        return [sign * max(sign * value for value in column) for sign, column in zip(signs, finite, strict=True)]


def compose(
    studies: Sequence[Study], plot: Plot, metric: str | None = None, parameters: Sequence[str] = ()
) -> Picture:
    """Return the content of a plot.

    Raises:
        NotFoundError: a study has no such metric or parameter.
        InputError: there is nothing to show yet, or the plot does not support this.
    """
    first = studies[0]
    name = metric or metric_names(first)[0]
    indices = [metric_index(study, name) for study in studies]
    _check_studies(studies, plot, name)
    views = tuple(metric_view(study, index) for study, index in zip(studies, indices, strict=True))
    for view in views:
        _check_trials(view, plot)
    if plot in ("pareto", "hypervolume"):
        _check_several_metrics(first, plot)
        for index in range(len(first.directions)):
            _check_complete(metric_view(first, index))
    if plot == "reports" and not any(trial.intermediate_values for trial in first.get_trials(deepcopy=False)):
        raise InputError(
            f"no trial of study {first.study_name!r} has intermediate reports",
            "call trial.report(value, step) in the objective",
        )
    chosen = _choose_parameters(first, plot, name, parameters)
    importance = find_importance(first, name)[0] if plot == "importance" else None
    return Picture(plot, tuple(studies), views, name, chosen, importance)


def _check_studies(studies: Sequence[Study], plot: Plot, metric: str) -> None:
    if len(studies) > 1 and plot not in _OF_SEVERAL_STUDIES:
        raise InputError(
            f"{plot} draws one study, but {len(studies)} are given",
            f"{' and '.join(_OF_SEVERAL_STUDIES)} draw several",
        )
    directions = {study.directions[metric_index(study, metric)] for study in studies}
    if len(directions) > 1:
        raise InputError(
            f"{metric} is minimized in one of the studies and maximized in another", "choose another --metric"
        )


def _check_trials(study: Study, plot: Plot) -> None:
    if plot == "timeline":
        if not any(trial.datetime_start for trial in study.get_trials(deepcopy=False)):
            raise InputError(
                f"study {study.study_name!r} has no trial that has begun",
                paste("worker", "--study", study.study_name),
            )
        return
    _check_complete(study)
    if plot in _OF_TWO_TRIALS and len(complete_trials(study)) < 2:
        raise InputError(
            f"{plot} needs at least 2 complete trials; study {study.study_name!r} has 1",
            paste("status", "--study", study.study_name),
        )


def _check_complete(study: Study) -> None:
    if not complete_trials(study):
        raise InputError(
            f"study {study.study_name!r} has no complete trial to draw",
            paste("status", "--study", study.study_name),
        )


def _check_several_metrics(study: Study, plot: Plot) -> None:
    count = len(metric_names(study))
    if count not in (2, 3):
        what = "a Pareto front" if plot == "pareto" else "a hypervolume"
        raise InputError(
            f"{what} can be drawn of 2 or 3 metrics; study {study.study_name!r} has {count}",
            paste("pareto" if plot == "pareto" else "plot", "--study", study.study_name),
        )


def _choose_parameters(study: Study, plot: Plot, metric: str, asked: Sequence[str]) -> list[str] | None:
    known = sorted({name for trial in complete_trials(study) for name in trial.params})
    for name in asked:
        if name not in known:
            raise NotFoundError(
                f"study {study.study_name!r} has no parameter {name!r}", f"its parameters are: {', '.join(known)}"
            )
    chosen = list(dict.fromkeys(asked))
    if plot not in _OF_PAIRS:
        return chosen or None
    chosen = chosen or _most_important(study, metric, known)
    if len(chosen) < 2:
        raise InputError(f"{plot} draws pairs of parameters, but {len(chosen)} is given", "use plot slice")
    return chosen


def _most_important(study: Study, metric: str, known: list[str]) -> list[str]:
    try:
        ranked: list[str] = list(find_importance(study, metric)[0].importance)
    except HpotoolError:  # there are too few trials
        ranked = known
    return ranked[:MOST_IN_PAIRS]


def shorten(names: Collection[str], most: int) -> dict[str, str]:
    """Each name in ``most`` characters: without its middle, or the part that tells it from others like it."""
    short = {name: _without_middle(name, most) for name in names}
    alike = {name: [other for other in short if short[other] == short[name]] for name in short}
    return {name: short[name] if len(alike[name]) == 1 else _own_part(name, alike[name], most) for name in short}


def _without_middle(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: (most - 1) // 2]}…{name[-(most // 2) :]}"


def _own_part(name: str, alike: Sequence[str], most: int) -> str:
    start = next((place for place, letters in enumerate(zip(*alike, strict=False)) if len(set(letters)) > 1), 0)
    part = name[start : start + most - 2]
    return f"…{part}…" if start + len(part) < len(name) else f"…{part}"


def without_quotes(texts: Sequence[str]) -> list[str]:
    """Choices as a study file has them: Optuna writes some with quotes. Not where that would make two the same."""
    plain = [text[1:-1] if len(text) > 2 and text[0] == text[-1] in "'\"" else text for text in texts]
    return plain if len(set(plain)) == len(set(texts)) else list(texts)


def axis_names(picture: Picture) -> list[str]:
    """The names of a parallel plot's axes, from left to right."""
    known = {name for trial in complete_trials(picture.view) for name in trial.params}
    return [picture.metric, *sorted(picture.parameters or known)]


def _direction(view: Study) -> str:
    return str(view.direction.name.lower())


def paint(painter: Any, picture: Picture) -> Any:
    """Draw the plot with ``painter``, one of Optuna's two modules with the same functions."""
    draw = getattr(painter, _FUNCTIONS[picture.plot])
    match picture.plot:
        case "history" | "edf":
            views: Any = list(picture.views) if len(picture.views) > 1 else picture.view
            return draw(views, target_name=picture.metric)
        case "reports" | "timeline":
            return draw(picture.study)
        case "pareto":
            return draw(picture.study, target_names=list(metric_names(picture.study)))
        case "hypervolume":
            return draw(picture.study, picture.reference_point())
        case _:
            return draw(picture.view, picture.parameters, target_name=picture.metric)


# The bars of `importance` use the command's figures.
_FUNCTIONS = {
    "history": "plot_optimization_history",
    "edf": "plot_edf",
    "slice": "plot_slice",
    "parallel": "plot_parallel_coordinate",
    "contour": "plot_contour",
    "rank": "plot_rank",
    "reports": "plot_intermediate_values",
    "timeline": "plot_timeline",
    "pareto": "plot_pareto_front",
    "hypervolume": "plot_hypervolume_history",
}
