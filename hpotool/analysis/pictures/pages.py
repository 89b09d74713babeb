"""Draws a picture as a page: Optuna's Plotly figures, in hpotool's style, as large as the window."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import plotly.graph_objects as plotly_objects
from optuna import visualization

from hpotool.analysis.pictures.picture import (
    BEST,
    GRID,
    MUTED,
    STATES,
    STUDIES,
    TEXT,
    TRIAL,
    Picture,
    Plot,
    axis_names,
    paint,
    shorten,
    without_quotes,
)  # fmt: skip

_MOST_IN_ROW = 4
_SHORT, _PANEL = 14, 28  # characters of a name below a panel of pairs, and of a slice
_PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>{title}</title>
<style>
html, body {{ margin: 0; height: 100%; overflow: hidden; background: white }}
body > div {{ height: 100% }}
@media screen and (prefers-color-scheme: dark) {{
  html, body {{ background: {night} }}
  body > div {{ filter: invert(0.92) hue-rotate(180deg) brightness(1.3) }}
}}
</style>
</head><body>{figure}</body></html>
"""
_NIGHT = "#1a1a1a"  # white, turned by the page's filter; it keeps hues, so that green stays green
_AXIS = {
    "gridcolor": GRID, "zerolinecolor": GRID, "linecolor": MUTED, "ticks": "outside", "tickcolor": MUTED,
    "automargin": True,
}  # fmt: skip


def render_page(picture: Picture) -> str:
    """Return the whole page."""
    drawn = make_figure(picture).to_html(
        include_plotlyjs=True,
        full_html=False,
        default_height="100%",
        config={"responsive": True, "displaylogo": False},
    )
    return _PAGE.format(title=html.escape(picture.title), figure=drawn, night=_NIGHT)


def make_figure(picture: Picture) -> Any:
    """Return the Plotly figure, without a fixed size."""
    figure = _bars(picture) if picture.plot == "importance" else paint(visualization, picture)
    if picture.plot in _MEND:
        _MEND[picture.plot](figure, picture)
    _escape_names(figure)
    figure.update_layout(
        template="plotly_white",
        title={
            "text": html.escape(picture.title).replace("\n", "<br>"),
            "x": 0.0,
            "xref": "container",
            "pad": {"l": 24},
        },
        font={"family": "system-ui, -apple-system, 'Segoe UI', sans-serif", "size": 14, "color": TEXT},
        margin={"l": 80, "r": 40, "t": 72 + 24 * picture.title.count("\n"), "b": 64},
        width=None,
        height=None,
        autosize=True,
        hoverlabel={"align": "left"},
    )
    figure.update_xaxes(**_AXIS)
    figure.update_yaxes(**_AXIS)
    return figure


def _escape_names(figure: Any) -> None:
    """Show names of studies, metrics, parameters and choices as they are: Plotly reads markup in every text."""
    for trace in figure.data:
        trace.name = _escaped(trace.name)
        for dimension in getattr(trace, "dimensions", None) or ():
            dimension.label = _escaped(dimension.label)
        for owner in (trace, getattr(trace, "marker", None), getattr(trace, "line", None)):
            bar = getattr(owner, "colorbar", None)
            if bar is not None:
                bar.title.text = _escaped(bar.title.text)
        for axis in ("x", "y"):  # categories stand at the axis
            values = getattr(trace, axis, None)
            if values is not None and any(isinstance(value, str) for value in values):
                trace[axis] = [_escaped(value) for value in values]
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        axis.title.text = _escaped(axis.title.text)
        if axis.categoryarray is not None:
            axis.categoryarray = [_escaped(value) for value in axis.categoryarray]
    scale = figure.layout.coloraxis.colorbar
    scale.title.text = _escaped(scale.title.text)


def _escaped(text: Any) -> Any:
    return html.escape(text, quote=False) if isinstance(text, str) else text


def _mend_history(figure: Any, picture: Picture) -> None:
    """Dots and the best line; pruned trials are crosses, infeasible ones hollow; one colour for each study."""
    traces = list(figure.data)
    alone = len(picture.views) == 1
    for place, view in enumerate(picture.views):
        dots, line, infeasible = traces[3 * place : 3 * place + 3]
        colour, strong = (TRIAL, BEST) if alone else (STUDIES[place % len(STUDIES)],) * 2
        dots.update(name="complete", marker={"color": colour, "size": 7, "opacity": 0.65 if alone else 0.35})
        line.update(
            name="best" if alone else f"best of {view.study_name}",
            line={"color": strong, "width": 2.5, "shape": "hv"},
            showlegend=True,
        )
        hollow = {"color": colour, "size": 8, "symbol": "circle-open"}
        infeasible.update(name="infeasible", marker=hollow, showlegend=alone and bool(infeasible.x))
        dots.showlegend = alone
        pruned = picture.pruned(view)
        cross = {"size": 7, "symbol": "x-thin", "line": {"color": MUTED if alone else colour, "width": 1.5}}
        figure.add_scatter(
            x=list(pruned),
            y=list(pruned.values()),
            mode="markers",
            name="pruned, last report",
            marker=cross,
            opacity=1.0 if alone else 0.5,
            showlegend=alone and bool(pruned),
        )
    _legend_above(figure)
    figure.update_xaxes(title="trial", rangemode="tozero")


def _mend_edf(figure: Any, picture: Picture) -> None:
    for place, trace in enumerate(figure.data):
        trace.update(line={"color": STUDIES[place % len(STUDIES)], "width": 2.5})
    figure.update_layout(showlegend=len(figure.data) > 1)
    _legend_above(figure)
    figure.update_yaxes(title="share of trials")
    figure.update_xaxes(title=picture.metric)


def _mend_reports(figure: Any, picture: Picture) -> None:
    """Thin lines for trials, grey for pruned ones, and a thick line for the best, on top."""
    states = {trial.number: trial.state.name for trial in picture.study.get_trials(deepcopy=False)}
    best = picture.best_number() if len(picture.study.directions) == 1 else None
    for trace in figure.data:
        number = int(trace.name.removeprefix("Trial"))
        is_best = number == best
        trace.update(
            name=f"trial {number}" + (", the best" if is_best else ""),
            mode="lines" if len(trace.x) > 1 else "markers",
            line={"color": BEST if is_best else STATES[states[number]], "width": 3 if is_best else 1.2},
            marker={"color": BEST if is_best else STATES[states[number]], "size": 5},
            opacity=1.0 if is_best else 0.55,
        )
    figure.data = sorted(figure.data, key=lambda trace: trace.name.endswith("the best"))
    figure.update_xaxes(title="step")
    figure.update_yaxes(title=picture.metric if len(picture.study.directions) == 1 else "reported value")


def _mend_slice(figure: Any, picture: Picture) -> None:
    """At most four panels in a row, as wide as the window."""
    _name_choices(figure)
    for trace in figure.data:
        if trace.marker.colorbar.title.text == "Trial":
            trace.marker.colorbar.update(title="trial", x=1.01)
    axes = sorted(
        (name for name in figure.layout if name.startswith("xaxis")), key=lambda name: int(name[5:] or 1)
    )
    if len(axes) < 2:
        return
    _shorten_axes(figure, _PANEL)
    columns = min(_MOST_IN_ROW, math.ceil(math.sqrt(len(axes)))) if len(axes) > _MOST_IN_ROW else len(axes)
    rows = math.ceil(len(axes) / columns)
    for place, name in enumerate(axes):
        row, column = divmod(place, columns)
        figure.layout[name].domain = [(column + 0.06) / columns, (column + 0.94) / columns]
        top = 1 - row / rows
        y_axis = figure.layout[name.replace("x", "y", 1)]
        y_axis.domain = [top - 1 / rows + (0.22 / rows if rows > 1 else 0.0), top]
        y_axis.update(showticklabels=column == 0, title=picture.metric if column == 0 else None)


def _name_choices(figure: Any) -> None:
    """Name choices as the study file does."""
    for trace in figure.data:
        axis = figure.layout[(trace.xaxis or "x").replace("x", "xaxis")]
        if axis.categoryarray is not None:
            plain = dict(zip(axis.categoryarray, without_quotes(axis.categoryarray), strict=True))
            trace.x = [plain[value] for value in trace.x]
            axis.categoryarray = list(plain.values())


def _mend_pairs(figure: Any, picture: Picture) -> None:
    if len(picture.parameters or ()) > 2:
        _shorten_axes(figure, _SHORT)


def _mend_parallel(figure: Any, picture: Picture) -> None:
    names = list(shorten(axis_names(picture), _PANEL).values())
    if len(figure.layout.xaxis.ticktext or ()) == len(names):
        figure.layout.xaxis.ticktext = names


def _shorten_axes(figure: Any, most: int) -> None:
    axes = [*figure.select_xaxes(), *figure.select_yaxes()]
    short = shorten({axis.title.text for axis in axes if axis.title.text}, most)
    for axis in axes:
        axis.title.text = short.get(axis.title.text)


def _mend_timeline(figure: Any, _: Picture) -> None:
    for trace in figure.data:
        state = trace.name
        trace.update(name=state.lower(), marker={"color": STATES.get(state, "white"), "line": {"color": TRIAL}})
        trace.marker.line.width = 1 if state == "INFEASIBLE" else 0
    figure.update_xaxes(title=f"time ({datetime.now().astimezone().tzname()})")
    figure.update_yaxes(title="trial", autorange="reversed")
    _legend_above(figure)


def _mend_pareto(figure: Any, _: Picture) -> None:
    """The front is dark and large, all else light; trial numbers are in the hover text."""
    for trace in figure.data:
        of_front = (trace.marker.colorbar.title.text or "").startswith("Best")
        if trace.marker.colorbar.title.text is None:  # infeasible trials, which have no colour scale in Optuna
            trace.update(name="infeasible", showlegend=True)
            continue
        trace.update(
            name="on the front" if of_front else "complete",
            marker={"color": BEST if of_front else TRIAL, "size": 9 if of_front else 7, "showscale": False},
            opacity=1.0 if of_front else 0.6,
            showlegend=True,
        )
    _legend_above(figure)


def _mend_hypervolume(figure: Any, picture: Picture) -> None:
    figure.update_traces(line={"color": BEST, "width": 2.5, "shape": "hv"}, mode="lines")
    measured_from = ", ".join(f"{value:.4g}" for value in picture.reference_point())
    figure.update_xaxes(title="trial")
    figure.update_yaxes(title=f"hypervolume, measured from {measured_from}")


def _bars(picture: Picture) -> Any:
    """The figures of ``hpotool importance``."""
    assert picture.importance is not None
    ranked = list(picture.importance.importance.items())[::-1]
    bars = plotly_objects.Bar(
        x=[weight for _, weight in ranked],
        y=[name for name, _ in ranked],
        text=[f"{weight:.3f}" for _, weight in ranked],
        textposition="outside",
        cliponaxis=False,
        orientation="h",
        marker={"color": TRIAL},
    )
    figure = plotly_objects.Figure(bars)
    figure.update_xaxes(title=f"share in {picture.metric}", range=[0, 1.05])
    return figure


def _legend_above(figure: Any) -> None:
    figure.update_layout(legend={"orientation": "h", "x": 1.0, "xanchor": "right", "y": 1.01, "yanchor": "bottom"})


_MEND: Mapping[Plot, Callable[[Any, Picture], None]] = {
    "history": _mend_history,
    "edf": _mend_edf,
    "reports": _mend_reports,
    "slice": _mend_slice,
    "contour": _mend_pairs,
    "rank": _mend_pairs,
    "parallel": _mend_parallel,
    "timeline": _mend_timeline,
    "pareto": _mend_pareto,
    "hypervolume": _mend_hypervolume,
}
