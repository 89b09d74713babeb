"""Draws a picture as an image: Optuna's Matplotlib figures, in the style of the pages."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import matplotlib as mpl
import matplotlib.ticker
import numpy as np
from optuna.visualization import matplotlib as painter

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
from hpotool.analysis.results import complete_trials

_MOST_IN_ROW = 4
_SHORT, _PANEL = 12, 24  # characters of a name below a panel of pairs, and of a slice
_CHOICE = 10  # characters of a choice that stands upright below a panel
_LYING, _ROOM = 9, 24  # characters of a choice that lies below a panel of a slice, and of all of them together
_ROOMY = ("importance", "timeline")  # what stands beside these axes has as much room as it takes
_PAIRS = ("contour", "rank")
_MOST_DOTS = 300  # that are drawn black in a contour
_SIZE = (10.0, 6.0)  # inches
_MOST_TICKS = 4  # of a logarithmic axis: a panel of pairs is as wide as five numbers
_STYLE = {
    "svg.fonttype": "none",  # keep text as text
    "pdf.fonttype": 42,  # TrueType, which journals accept and drawing programs can edit
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "font.size": 11,
}
# With the letters that DejaVu Sans lacks, where one is installed.
_MORE_LETTERS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Hiragino Sans", "PingFang SC", "Yu Gothic", "Microsoft YaHei",
    "Malgun Gothic", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "IPAGothic", "Noto Sans Arabic",
    "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai", "Arial Unicode MS", "Unifont",
)  # fmt: skip


def render_image(picture: Picture, ending: str) -> bytes:
    """Return the image, in the format that ``ending`` names."""
    mpl.use("Agg")
    from matplotlib import pyplot

    with mpl.rc_context({"text.parse_math": False}):  # a dollar in somebody's name begins no formula
        drawn = _bars(picture) if picture.plot == "importance" else paint(painter, picture)
        mpl.rcParams.update(_STYLE)
        installed = set(mpl.font_manager.get_font_names())
        mpl.rcParams["font.family"] = ["DejaVu Sans", *(name for name in _MORE_LETTERS if name in installed)]
        axes = list(np.ravel(drawn))
        figure = axes[0].figure
        _write_powers_plainly(figure)
        if picture.plot in _MEND:
            _MEND[picture.plot](axes, picture)
        _style(figure, axes, picture)
        _keep_ticks_apart(figure, picture)
        written = io.BytesIO()
        figure.savefig(written, format=ending, dpi=150, bbox_inches="tight", pad_inches=0.25, facecolor="white")
        pyplot.close(figure)
    return written.getvalue()


def _write_powers_plainly(figure: Any) -> None:
    """Matplotlib writes the ticks of a logarithmic axis as formulas, and those of a narrow one over each other."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log":
                axis.set_major_locator(mpl.ticker.FixedLocator(round_numbers(*axis.get_view_interval())))
                axis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
                axis.set_minor_formatter(mpl.ticker.NullFormatter())


def _keep_ticks_apart(figure: Any, picture: Picture) -> None:
    """Few numbers on each axis of a narrow panel, and choices short enough to stand side by side."""
    figure.canvas.draw()
    narrow = picture.plot in ("slice", *_PAIRS)
    for axes in (each for each in figure.axes if each.get_label() != "<colorbar>"):
        if picture.plot in _PAIRS:
            axes.tick_params(labelsize=8)
        for axis in (axes.xaxis, axes.yaxis):
            texts = [label.get_text() for label in axis.get_ticklabels()]
            is_below = narrow and axis is axes.xaxis
            if _are_choices(texts) and picture.plot not in _ROOMY:
                is_upright = is_below and not (picture.plot == "slice" and do_fit(without_quotes(texts)))
                short = shorten(set(without_quotes(texts)), _CHOICE if is_upright else _SHORT)
                axis.set_ticks(axis.get_ticklocs(), labels=[short[text] for text in without_quotes(texts)])
                if is_upright:
                    axes.tick_params(axis="x", rotation=90)
            elif narrow and axis.get_scale() == "linear":
                most = 4 if not is_below else 2 if picture.plot in _PAIRS else 3
                axis.set_major_locator(mpl.ticker.MaxNLocator(most, integer=_is_whole(axes, axis)))
            elif is_below and picture.plot in _PAIRS and len(ticks := axis.get_ticklocs()):
                axis.set_major_locator(mpl.ticker.FixedLocator([ticks[0], ticks[-1]]))


def _are_choices(texts: Sequence[str]) -> bool:
    return any(text and not _is_number(text) for text in texts)


def do_fit(choices: Sequence[str]) -> bool:
    """Whether they stand beside each other below a panel."""
    longest = max(map(len, choices))
    return longest <= _LYING and longest * len(choices) <= _ROOM


def _is_number(text: str) -> bool:
    return (
        text.replace("\N{MINUS SIGN}", "")
        .replace(".", "")
        .replace("e", "")
        .replace("-", "")
        .replace("+", "")
        .isdigit()
    )


def _is_whole(axes: Any, axis: Any) -> bool:
    """Whether all that is drawn there are whole numbers."""
    place = 0 if axis is axes.xaxis else 1
    found = [
        np.asarray(dots.get_offsets(), dtype=float)[:, place]
        for dots in axes.collections
        if len(dots.get_offsets())
    ]
    return bool(found) and all(np.all(values == np.round(values)) for values in found)


def round_numbers(low: float, high: float) -> list[float]:
    """Return at most four round numbers of a positive range: powers of ten, or others too where that is one."""
    first, last = math.floor(math.log10(low)), math.floor(math.log10(high))
    for parts in ((1,), (1, 2, 5), range(1, 10)):
        found = [part * 10.0**power for power in range(first, last + 1) for part in parts]
        found = [value for value in found if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
        if len(found) > 1:
            return found[:: math.ceil(len(found) / _MOST_TICKS)]
    return [value for value in mpl.ticker.MaxNLocator(2).tick_values(low, high) if low <= value <= high]


def _style(figure: Any, axes: list[Any], picture: Picture) -> None:
    if picture.plot not in ("slice", "contour", "rank"):
        figure.set_size_inches(*_SIZE)
    for one in axes:
        one.set_title("")
        one.set_facecolor("white")
        one.tick_params(colors=TEXT)
        for spine in one.spines.values():
            spine.set(visible=True, color=MUTED, linewidth=0.8)
        if picture.plot not in ("contour", "parallel"):
            one.grid(visible=True, color=GRID)
            one.set_axisbelow(True)
    figure.suptitle(picture.title, x=0.02, ha="left", va="bottom", fontsize=13, color=TEXT, y=0.97)


def _mend_history(axes: list[Any], picture: Picture) -> None:
    [plot] = axes
    dots, lines = list(plot.collections), list(plot.lines)
    alone = len(picture.views) == 1
    for place, view in enumerate(picture.views):
        colour, strong = (TRIAL, BEST) if alone else (STUDIES[place % len(STUDIES)],) * 2
        complete, infeasible = dots[2 * place : 2 * place + 2]
        complete.set(color=colour, alpha=0.65 if alone else 0.35, sizes=[28])
        infeasible.set(facecolor="none", edgecolor=colour)
        lines[place].set(color=strong, alpha=1.0, linewidth=2.2, drawstyle="steps-post")
        pruned = picture.pruned(view)
        crosses = plot.scatter(
            list(pruned), list(pruned.values()), marker="x", s=24, linewidths=1.2,
            color=MUTED if alone else colour, alpha=1.0 if alone else 0.5,
        )  # fmt: skip
        # A label that begins with an underscore is left out of the legend.
        complete.set_label("complete" if alone else "_")
        infeasible.set_label("infeasible" if alone and len(infeasible.get_offsets()) else "_")
        crosses.set_label("pruned, last report" if alone and pruned else "_")
        lines[place].set_label("best" if alone else f"best of {view.study_name}")
    plot.set_xlabel("trial")
    _whole_numbers(plot.xaxis)
    low, high = plot.get_xlim()
    if high - low < 1.0:  # one trial
        middle = round((low + high) / 2)
        plot.set(xlim=(middle - 1.0, middle + 1.0), xticks=[middle])
    _legend_above(plot)


def _whole_numbers(axis: Any) -> None:
    """Of trials and steps there are no halves."""
    axis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))


def _mend_pairs(axes: list[Any], picture: Picture) -> None:
    axes[0].figure.set_size_inches(9.0, 8.0)
    short = shorten({label for plot in axes for label in (plot.get_xlabel(), plot.get_ylabel())}, _SHORT)
    for plot in axes:
        for points in plot.collections:
            if len(points.get_sizes() if hasattr(points, "get_sizes") else ()):
                points.set_sizes([14])
                points.set_linewidths([0.5])
                if picture.plot == "contour":  # thousands of black dots would hide what they lie on
                    points.set_alpha(min(1.0, _MOST_DOTS / max(1, len(points.get_offsets()))))
        plot.set(xlabel=short[plot.get_xlabel()], ylabel=short[plot.get_ylabel()])
        plot.label_outer()


def _mend_pareto(axes: list[Any], _: Picture) -> None:
    [plot] = axes
    looks = {"Trial": (TRIAL, 26, "complete"), "Best Trial": (BEST, 44, "on the front")}
    for dots in plot.collections:
        colour, size, name = looks.get(dots.get_label(), (MUTED, 26, "infeasible"))
        dots.set(facecolor=colour, edgecolor=colour, sizes=[size], label=name)
    _legend_above(plot)


def _mend_edf(axes: list[Any], picture: Picture) -> None:
    [plot] = axes
    for place, line in enumerate(plot.lines):
        line.set(color=STUDIES[place % len(STUDIES)], alpha=1.0, linewidth=2.2)
    plot.set(xlabel=picture.metric, ylabel="share of trials")
    if len(plot.lines) > 1:
        _legend_above(plot)
    elif plot.get_legend():
        plot.get_legend().remove()


def _mend_reports(axes: list[Any], picture: Picture) -> None:
    [plot] = axes
    states = {trial.number: trial.state.name for trial in picture.study.get_trials(deepcopy=False)}
    best = picture.best_number() if len(picture.study.directions) == 1 else None
    if plot.get_legend():
        plot.get_legend().remove()
    for line in plot.lines:
        number = int(line.get_label().removeprefix("Trial"))
        if number == best:
            line.set(color=BEST, linewidth=2.8, alpha=1.0, zorder=9, marker="", label=f"trial {number}, the best")
            plot.legend(handles=[line], loc="best", frameon=False)
        else:
            line.set(color=STATES[states[number]], linewidth=1.0, alpha=0.55, marker="")
    _whole_numbers(plot.xaxis)
    plot.set(xlabel="step", ylabel=picture.metric if len(picture.study.directions) == 1 else "reported value")


def _mend_slice(axes: list[Any], picture: Picture) -> None:
    """At most four panels in a row."""
    figure = axes[0].figure
    short = shorten({plot.get_xlabel() for plot in axes}, _PANEL)
    [metric] = shorten({picture.metric}, _PANEL).values()
    if len(axes) > 1:
        columns = min(_MOST_IN_ROW, math.ceil(math.sqrt(len(axes)))) if len(axes) > _MOST_IN_ROW else len(axes)
        rows = math.ceil(len(axes) / columns)
        of_choices = [words for plot in axes if _are_choices(words := _words_below(plot))]
        height, gap = (3.4, 0.38) if all(do_fit(without_quotes(words)) for words in of_choices) else (3.8, 0.6)
        figure.set_size_inches(3.2 * columns + 1.0, height * rows + 0.6)
        grid = figure.add_gridspec(rows, columns, left=0.08, right=0.88, top=0.92, bottom=0.12, hspace=gap)
        for place, plot in enumerate(axes):
            plot.set_subplotspec(grid[place // columns, place % columns])
            plot.set_xlabel(short[plot.get_xlabel()])
            plot.set_ylabel(metric if place % columns == 0 else "")
            plot.tick_params(labelleft=place % columns == 0)
        bar = figure.axes[-1]
        if len(complete_trials(picture.view)) == 1:  # which has no scale of colours
            bar.set_visible(False)
            for dots in (each for plot in axes for each in plot.collections):
                dots.set_array(None)
                dots.set_facecolor(TRIAL)
        bar.set_axes_locator(None)
        bar.set_position([0.90, 0.12, 0.015, 0.8])
        bar.set_ylabel("trial")


def _words_below(plot: Any) -> list[str]:
    return [label.get_text() for label in plot.xaxis.get_ticklabels()]


def _mend_parallel(axes: list[Any], picture: Picture) -> None:
    names = list(shorten(axis_names(picture), _SHORT).values())
    for plot in axes:
        if len(plot.get_xticks()) == len(names):
            plot.set_xticklabels(names, rotation=330, ha="left")


def _mend_timeline(axes: list[Any], _: Picture) -> None:
    [plot] = axes
    plot.set(xlabel=f"time ({datetime.now().astimezone().tzname()})", ylabel="trial")
    colours = {"tab:blue": "COMPLETE", "tab:red": "FAIL", "tab:orange": "PRUNED", "tab:green": "RUNNING"}
    known = {mpl.colors.to_rgba(colour): STATES[state] for colour, state in colours.items()}
    legend = plot.get_legend()
    handles = list(legend.legend_handles) if legend else []
    infeasible = mpl.colors.to_rgba("#CCCCCC")
    for patch in [*plot.patches, *handles]:
        if patch.get_facecolor() == infeasible:
            patch.set(facecolor="white", edgecolor=TRIAL)
        else:
            patch.set(facecolor=known.get(patch.get_facecolor(), patch.get_facecolor()), edgecolor="none")
    plot.invert_yaxis()
    _whole_numbers(plot.yaxis)
    low, high = sorted(plot.get_ylim())
    if high - low < 1.0:  # one trial
        plot.set(ylim=(high + 1.0, low - 1.0), yticks=[round((low + high) / 2)])
    plot.figure.subplots_adjust(right=0.97)
    _legend_above(plot, handles, [text.get_text().lower() for text in legend.get_texts()] if legend else [])


def _mend_hypervolume(axes: list[Any], picture: Picture) -> None:
    [plot] = axes
    for line in plot.lines:
        line.set(color=BEST, linewidth=2.2, alpha=1.0, drawstyle="steps-post", marker="")
    measured_from = ", ".join(f"{value:.4g}" for value in picture.reference_point())
    plot.set(xlabel="trial", ylabel=f"hypervolume, measured from {measured_from}")


def _bars(picture: Picture) -> Any:
    """The figures of ``hpotool importance``."""
    from matplotlib import pyplot

    assert picture.importance is not None
    ranked = list(picture.importance.importance.items())[::-1]
    _, plot = pyplot.subplots(tight_layout=True)
    bars = plot.barh([name for name, _ in ranked], [weight for _, weight in ranked], color=TRIAL)
    plot.bar_label(bars, fmt="%.3f", padding=4)
    plot.set(xlabel=f"share in {picture.metric}", xlim=(0, 1.12))
    return plot


def _legend_above(plot: Any, *entries: Any) -> None:
    if plot.get_legend():
        plot.get_legend().remove()
    plot.legend(*entries, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, frameon=False, borderaxespad=0.2)


_MEND: Mapping[Plot, Callable[[Any, Picture], None]] = {
    "history": _mend_history,
    "edf": _mend_edf,
    "reports": _mend_reports,
    "slice": _mend_slice,
    "parallel": _mend_parallel,
    "timeline": _mend_timeline,
    "hypervolume": _mend_hypervolume,
    "pareto": _mend_pareto,
    "contour": _mend_pairs,
    "rank": _mend_pairs,
}
