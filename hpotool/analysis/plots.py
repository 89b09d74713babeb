"""Pictures of a study, each one HTML page that needs nothing but a browser: Optuna's own figures.

Plotly draws them; it is an extra (``pip install 'hpotool[plot]'``).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

from hpotool.analysis.importance import find_importance
from hpotool.analysis.results import complete_trials, metric_index, metric_names
from hpotool.analysis.scalar_choices import with_scalar_choices
from hpotool.errors import InputError, paste

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

Plot = Literal["history", "pareto", "importance", "slice", "parallel", "reports", "timeline"]


def draw(study: Study, plot: Plot, metric: str | None = None) -> str:
    """Return the picture as an HTML page that holds everything it shows, 4 MB of Plotly included.

    Args:
        metric: what a picture of one metric shows; the first one by default.

    Raises:
        NotFoundError: the study has no such metric.
        InputError: the study has nothing to show there yet, or Plotly is not installed.
    """
    try:
        import plotly  # noqa: F401  (Optuna's own complaint about its absence is a traceback)
    except ImportError:
        raise InputError("plots need Plotly, which is not installed", "pip install 'hpotool[plot]'") from None
    name = metric or metric_names(study)[0]
    index = metric_index(study, name)
    if plot != "timeline" and not complete_trials(study):
        raise InputError(
            f"study {study.study_name!r} has no complete trial to draw",
            paste("status", "--study", study.study_name),
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a figure is experimental is no news to who asked for it
        figure = _figure(study, plot, name, index)
    figure.update_layout(title=f"{study.study_name}: {figure.layout.title.text or plot}")
    return str(figure.to_html(include_plotlyjs=True, full_html=True))


def _figure(study: Study, plot: Plot, name: str, index: int) -> Any:
    from optuna import visualization

    def target(trial: FrozenTrial) -> float:
        return float(trial.values[index])

    match plot:
        case "history":
            return visualization.plot_optimization_history(study, target=target, target_name=name)
        case "slice":
            return visualization.plot_slice(with_scalar_choices(study), target=target, target_name=name)
        case "parallel":
            return visualization.plot_parallel_coordinate(
                with_scalar_choices(study), target=target, target_name=name
            )
        case "timeline":
            return visualization.plot_timeline(study)
        case "reports":
            return _reports(study)
        case "pareto":
            return _pareto(study)
        case "importance":
            return _importance(study, name)


def _pareto(study: Study) -> Any:
    from optuna import visualization

    names = metric_names(study)
    if len(names) not in (2, 3):
        raise InputError(
            f"a Pareto front can be drawn of 2 or 3 metrics; study {study.study_name!r} has {len(names)}",
            paste("pareto", "--study", study.study_name),
        )
    return visualization.plot_pareto_front(study, target_names=list(names))


def _reports(study: Study) -> Any:
    from optuna import visualization

    if not any(trial.intermediate_values for trial in study.get_trials(deepcopy=False)):
        raise InputError(
            f"no trial of study {study.study_name!r} reported anything on its way",
            "call trial.report(value, step) in the objective",
        )
    return visualization.plot_intermediate_values(study)


def _importance(study: Study, name: str) -> Any:
    """The same numbers as ``hpotool importance`` shows."""
    import plotly.graph_objects as plotly_objects

    (found,) = find_importance(study, name)
    names, weights = zip(*reversed(list(found.importance.items())), strict=True)
    bars = plotly_objects.Bar(x=weights, y=names, orientation="h")
    return plotly_objects.Figure(bars, {"title": f"importance for {name}", "xaxis": {"range": [0, 1]}})
