"""The figures of pages: who is drawn how, and no name of a study, metric or parameter is taken for markup."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

pytest.importorskip("plotly")

from hpotool.analysis.pictures.pages import make_figure, render_page
from hpotool.analysis.pictures.picture import BEST, MUTED, STATES, STUDIES, TRIAL, compose
from tests.unit.analysis.studies import add, make_study

HOSTILE = "<b>a</b> & <i>"


def figure_of(study: optuna.Study, plot: str, *more: Any) -> Any:
    return make_figure(compose([study], plot, *more))  # type: ignore[arg-type]


def searched(metric: str = "loss", trials: int = 6) -> optuna.Study:
    study = make_study(metric)
    for place in range(trials):
        params = {"lr": 0.1 + place / 10, "depth": place + 1, "drop": place / 10, "noise": 1 - place / 10}
        add(study, [float((place - 3) ** 2)], params, intermediate_values={0: 5.0, 1: float(place)})
    return study


def odd(name: str) -> optuna.Study:
    """A study whose own name, metric and parameters are this."""
    study = optuna.create_study(study_name=name)
    study.set_metric_names([name])
    space = {name: FloatDistribution(0.0, 1.0), f"{name}2": FloatDistribution(0.0, 1.0)}
    for place in range(4):
        params = {name: place / 4, f"{name}2": 1 - place / 4}
        study.add_trial(
            optuna.trial.create_trial(
                value=float(place), params=params, distributions=dict(space), intermediate_values={0: 1.0, 1: 2.0}
            )
        )
    return study


def texts(node: Any, path: str = "") -> list[tuple[str, str]]:
    """Every text of a figure that Plotly shows as markup, with its place."""
    found: list[tuple[str, str]] = []
    if isinstance(node, dict):
        for key, value in node.items():
            found += texts(value, f"{path}.{key}")
    elif isinstance(node, (list, tuple)):
        for value in node:
            found += texts(value, path)
    elif isinstance(node, str) and path.endswith((".title.text", ".name", ".label", ".x", ".y")):
        found.append((path, node))
    return found


@pytest.mark.parametrize(
    "plot", ["history", "importance", "slice", "parallel", "contour", "rank", "edf", "reports", "timeline"]
)
def test_a_name_with_markup_in_it_is_shown_as_it_is(plot: str) -> None:
    drawn = figure_of(odd(HOSTILE), plot).to_plotly_json()
    shown = texts({"layout": drawn["layout"], "data": drawn["data"]})
    assert shown
    hostile = [(path, text) for path, text in shown if "<b>" in text or "<i>" in text]
    assert hostile == [], "Plotly would draw it bold"


def test_a_name_with_markup_in_a_legend_of_several_studies_is_shown_as_it_is() -> None:
    figure = make_figure(compose([odd(HOSTILE), odd(HOSTILE)], "history"))
    names = [trace.name for trace in figure.data if trace.showlegend]
    assert names == ["best of &lt;b&gt;a&lt;/b&gt; &amp; &lt;i&gt;"] * 2


@pytest.mark.parametrize("count", [1, 2, 7])
def test_each_of_several_histories_has_a_colour_of_its_own_as_far_as_there_are_any(count: int) -> None:
    figure = make_figure(compose([searched() for _ in range(count)], "history"))
    lines = [trace for trace in figure.data if trace.mode and "lines" in trace.mode]
    assert len(lines) == count
    colours = [BEST] if count == 1 else [STUDIES[place % len(STUDIES)] for place in range(count)]
    assert [line.line.color for line in lines] == colours


def test_a_history_alone_names_its_marks_and_only_those_that_are_there() -> None:
    figure = figure_of(searched(), "history")
    assert [trace.name for trace in figure.data if trace.showlegend] == ["complete", "best"]
    study = searched()
    add(study, None, {"lr": 0.5}, state=TrialState.PRUNED, intermediate_values={0: 3.0})
    add(study, [1.0], {"lr": 0.5}, constraints={"size": 1.0})
    named = {trace.name for trace in figure_of(study, "history").data if trace.showlegend}
    assert named == {"complete", "best", "infeasible", "pruned, last report"}


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_of_reports_the_best_is_thick_and_drawn_last_and_pruned_ones_are_grey(direction: str) -> None:
    study = make_study("loss", directions=[direction])
    for value in (2.0, 1.0, 3.0):
        add(study, [value], {"lr": 0.1}, intermediate_values={0: value, 1: value})
    add(study, None, {"lr": 0.1}, state=TrialState.PRUNED, intermediate_values={0: 5.0, 1: 5.0})
    figure = figure_of(study, "reports")
    last = figure.data[-1]
    best = 1 if direction == "minimize" else 2
    assert (last.name, last.line.color, last.line.width) == (f"trial {best}, the best", BEST, 3)
    colours = {trace.name: trace.line.color for trace in figure.data}
    assert colours["trial 3"] == MUTED
    assert colours["trial 0"] == TRIAL


def test_a_single_report_is_a_dot_because_a_line_would_not_be_seen() -> None:
    study = make_study("loss")
    add(study, [1.0], {"lr": 0.1}, intermediate_values={0: 1.0})
    add(study, [2.0], {"lr": 0.1}, intermediate_values={0: 1.0, 1: 2.0})
    modes = {trace.name: trace.mode for trace in figure_of(study, "reports").data}
    assert modes == {"trial 0, the best": "markers", "trial 1": "lines"}


def test_of_several_metrics_no_report_is_called_the_best() -> None:
    study = make_study("a", "b", directions=["minimize", "minimize"])
    add(study, [1.0, 2.0], {"lr": 0.1}, intermediate_values={0: 1.0, 1: 2.0})
    figure = figure_of(study, "reports")
    assert [trace.name for trace in figure.data] == ["trial 0"]
    assert figure.layout.yaxis.title.text == "reported value"


@pytest.mark.parametrize(("count", "rows", "columns"), [(2, 1, 2), (4, 1, 4), (5, 2, 3), (9, 3, 3), (17, 5, 4)])
def test_panels_stand_in_rows_of_at_most_four_and_do_not_overlap(count: int, rows: int, columns: int) -> None:
    study = make_study("loss")
    space = {f"p{place:02d}": FloatDistribution(0.0, 1.0) for place in range(count)}
    for value in (0.25, 0.75):
        params = dict.fromkeys(space, value)
        study.add_trial(optuna.trial.create_trial(value=value, params=params, distributions=dict(space)))
    layout = figure_of(study, "slice").layout
    places = sorted(int(name[5:] or 1) for name in layout if name.startswith("xaxis"))
    boxes = []
    for place in places:
        number = "" if place == 1 else str(place)
        x, y = layout[f"xaxis{number}"].domain, layout[f"yaxis{number}"].domain
        boxes.append((round(x[0], 6), round(x[1], 6), round(y[0], 6), round(y[1], 6)))
    assert len(boxes) == count
    assert len({box[2:] for box in boxes}) == rows
    assert len({box[:2] for box in boxes}) == columns
    assert all(0 <= low < high <= 1 for box in boxes for low, high in (box[:2], box[2:]))
    for place, one in enumerate(boxes):
        for other in boxes[place + 1 :]:
            assert one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]


def test_a_front_is_dark_and_what_others_beat_is_light() -> None:
    study = make_study("a", "b", directions=["minimize", "minimize"])
    for pair in ((1.0, 3.0), (3.0, 1.0), (4.0, 4.0)):
        add(study, pair, {"lr": 0.1})
    add(study, [0.0, 0.0], {"lr": 0.2}, constraints={"size": 1.0})
    traces = {trace.name: trace for trace in figure_of(study, "pareto").data}
    assert set(traces) == {"infeasible", "complete", "on the front"}
    assert sorted(traces["on the front"].x) == [1.0, 3.0]
    assert list(traces["complete"].x) == [4.0]
    assert traces["on the front"].marker.color == BEST


def test_a_timeline_has_the_colours_of_the_states() -> None:
    study = searched()
    add(study, None, {"lr": 0.5}, state=TrialState.FAIL)
    colours = {trace.name: trace.marker.color for trace in figure_of(study, "timeline").data if len(trace.y)}
    assert colours["complete"] == STATES["COMPLETE"]
    assert colours["fail"] == STATES["FAIL"]


def test_the_bars_of_importance_are_the_shares_of_the_command_the_greatest_on_top() -> None:
    made = compose([searched()], "importance")
    assert made.importance is not None
    [bars] = make_figure(made).data
    assert list(bars.y) == list(made.importance.importance)[::-1]
    assert list(bars.x) == list(made.importance.importance.values())[::-1]
    assert math.isclose(sum(bars.x), 1.0)


def test_the_page_of_a_study_with_a_hostile_name_has_it_only_as_text() -> None:
    study = optuna.create_study(study_name="</script><script>alert(1)</script>")
    add(study, [1.0], {"lr": 0.5})
    page = render_page(compose([study], "history"))
    assert "</script><script>alert(1)" not in page


@pytest.mark.parametrize("count", [1, 5])
def test_a_panel_has_the_choices_of_the_study_file_and_no_others(count: int) -> None:
    study = make_study("loss")
    choices = ("depthwise", HOSTILE, "it's", None)
    for place in range(8):
        space = {f"c{number}": CategoricalDistribution(choices) for number in range(count)}
        params = dict.fromkeys(space, choices[place % 4])
        study.add_trial(optuna.trial.create_trial(value=float(place), params=params, distributions=dict(space)))
    figure = figure_of(study, "slice")
    axes = list(figure.select_xaxes())
    shown = ("depthwise", "&lt;b&gt;a&lt;/b&gt; &amp; &lt;i&gt;", "it's", "None")
    assert [axis.categoryarray for axis in axes] == [shown] * count
    assert [set(trace.x) for trace in figure.data] == [set(shown)] * count
