from __future__ import annotations

import math
import random
import re
import sys
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

pytest.importorskip("plotly")

from hpotool.analysis.pictures.metric_view import metric_view
from hpotool.analysis.pictures.pages import make_figure
from hpotool.analysis.pictures.picture import compose, shorten
from hpotool.analysis.pictures.plots import draw, draw_image, ending_of
from hpotool.errors import InputError, NotFoundError
from tests.unit.analysis.studies import add, make_study


def study_of(*metrics: str) -> optuna.Study:
    rng = random.Random(0)
    study = make_study(*metrics, directions=["minimize"] * len(metrics))
    for _ in range(12):
        lr, depth = rng.uniform(0.01, 1.0), rng.randint(1, 20)
        values = [(lr - 0.3) ** 2, depth / 20, lr * depth][: len(metrics)]
        add(study, values, {"lr": lr, "depth": depth}, intermediate_values={0: 1.0, 1: values[0]})
    return study


OF_ONE_METRIC = (
    "history", "importance", "slice", "parallel", "contour", "rank", "edf", "reports", "timeline",
)  # fmt: skip


@pytest.mark.parametrize("plot", OF_ONE_METRIC)
def test_a_plot_of_one_metric_is_a_whole_page_that_names_what_it_shows(plot: str) -> None:
    page = draw(study_of("loss"), plot)  # type: ignore[arg-type]
    assert "<html>" in page[:100]
    assert "known: " in page
    assert "Plotly.newPlot" in page
    assert 'src="http' not in page  # it is looked at where there is no network
    if plot != "timeline":
        assert "loss" in page[page.rindex("Plotly.newPlot") :]


def test_a_front_of_two_or_three_metrics_can_be_drawn() -> None:
    for metrics in (("loss", "size"), ("loss", "size", "latency")):
        page = draw(study_of(*metrics), "pareto")
        assert all(metric in page[page.rindex("Plotly.newPlot") :] for metric in metrics)
    with pytest.raises(InputError, match="2 or 3 metrics; study 'known' has 1"):
        draw(study_of("loss"), "pareto")


def test_each_of_several_metrics_has_its_plot() -> None:
    study = study_of("loss", "size")
    assert "size" in draw(study, "history", "size")
    assert "importance for size" in draw(study, "importance", "size")
    with pytest.raises(NotFoundError, match="no metric 'speed'"):
        draw(study, "history", "speed")


def test_nothing_is_drawn_of_nothing() -> None:
    with pytest.raises(InputError, match="no complete trial"):
        draw(make_study(), "history")
    study = make_study()
    add(study, [1.0], {"lr": 0.5})
    with pytest.raises(InputError, match="intermediate reports"):
        draw(study, "reports")


@pytest.mark.parametrize("metrics", [("height",), ("height", "cost")])
@pytest.mark.parametrize(
    ("direction", "best"), [("maximize", [3, 3, 5, 5, 5, 5]), ("minimize", [3, 2, 2, 2, 2, 1])]
)
def test_a_history_has_the_best_so_far_of_feasible_trials(
    metrics: tuple[str, ...], direction: str, best: list[float]
) -> None:
    study = make_study(*metrics, directions=[direction, "minimize"][: len(metrics)])
    for height, is_feasible in [(3.0, True), (2.0, True), (5.0, True), (9.0, False), (-9.0, False), (1.0, True)]:
        values = [height, 0.0][: len(metrics)]
        add(study, values, {"lr": 0.5}, constraints={"size": -1.0 if is_feasible else 1.0})
    complete, line, infeasible, _ = make_figure(compose([study], "history", "height")).data
    assert list(line.y) == best
    assert list(complete.x) == [0, 1, 2, 5]
    assert list(infeasible.x) == [3, 4]
    assert infeasible.marker.symbol == "circle-open"


def test_a_history_marks_pruned_trials_at_their_last_report() -> None:
    study = make_study("loss")
    add(study, [1.0], {"lr": 0.5}, intermediate_values={0: 2.0})
    add(study, None, {"lr": 0.1}, state=TrialState.PRUNED, intermediate_values={0: 4.0, 3: 3.0, 1: 8.0})
    add(study, None, {"lr": 0.2}, state=TrialState.PRUNED, intermediate_values={0: math.nan})
    add(study, None, {"lr": 0.3}, state=TrialState.PRUNED)
    pruned = make_figure(compose([study], "history")).data[-1]
    assert pruned.name == "pruned, last report"
    assert (list(pruned.x), list(pruned.y)) == ([1], [3.0])


@pytest.mark.parametrize("metrics", [("loss",), ("loss", "size")])
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_good_trials_are_the_dark_ones_in_both_directions(metrics: tuple[str, ...], direction: str) -> None:
    study = make_study(*metrics, directions=[direction] * len(metrics))
    for depth in range(1, 12):
        add(study, [float(depth)] * len(metrics), {"lr": depth / 20, "depth": depth})
    first, *_, last, _ = make_figure(compose([study], "parallel", "loss")).data
    darkest = "rgb(8.0, 48.0, 107.0)"
    assert (first if direction == "minimize" else last).line.color == darkest
    contour, *_ = make_figure(compose([study], "contour", "loss")).data
    assert contour.reversescale == (direction == "minimize")  # the scale ends dark


def test_a_view_of_one_metric_keeps_numbers_states_and_direction() -> None:
    study = make_study("loss", "gain", directions=["minimize", "maximize"])
    add(study, None, {"lr": 0.5}, state=TrialState.FAIL)
    add(study, [1.0, 7.0], {"lr": 0.5}, constraints={"size": 1.0})
    view = metric_view(study, 1)
    assert view.direction.name == "MAXIMIZE"
    assert view.study_name == "known"
    assert [(t.number, t.state.name, t.values, t.constraints) for t in view.get_trials()] == [
        (0, "FAIL", None, {}),
        (1, "COMPLETE", [7.0], {"size": 1.0}),
    ]
    single = make_study()
    assert metric_view(single, 0) is single


@pytest.mark.parametrize("plot", [*OF_ONE_METRIC, "pareto", "hypervolume"])
def test_values_that_no_axis_can_show_are_left_out(plot: str) -> None:
    pytest.importorskip("matplotlib")
    study = study_of("loss", "size") if plot in ("pareto", "hypervolume") else study_of("loss")
    of_several_axes = plot in ("pareto", "reports")  # 1e308 there is a sentence, see below
    for value in (math.inf, -math.inf) if of_several_axes else (math.inf, -math.inf, 1e308, -1e308):
        add(study, [value] * len(study.directions), {"lr": 0.5, "depth": 3}, intermediate_values={0: value})
    draw(study, plot)  # type: ignore[arg-type]
    draw_image(study, plot, "png")  # type: ignore[arg-type]
    nothing = make_study(*["a", "b"][: len(study.directions)], directions=["minimize"] * len(study.directions))
    add(nothing, [math.inf] * len(study.directions), {"lr": 0.5, "depth": 3})
    if plot != "timeline":
        with pytest.raises(InputError, match="no complete trial to draw"):
            draw(nothing, plot)  # type: ignore[arg-type]


def test_what_matplotlib_cannot_draw_is_a_sentence() -> None:
    pytest.importorskip("matplotlib")
    study = study_of("loss")
    for value in (1e308, -1e308):
        add(study, [1.0], {"lr": 0.5, "depth": 3}, intermediate_values={0: value})
    with pytest.raises(InputError, match="reports of study 'known' cannot be drawn") as caught:
        draw_image(study, "reports", "png")
    assert caught.value.hint == "try another plot, or a page: -o plot.html"


def test_studies_lie_over_one_another() -> None:
    first, second = study_of("loss"), study_of("loss")
    figure = make_figure(compose([first, second], "history"))
    assert [trace.name for trace in figure.data if trace.showlegend] == ["best of known", "best of known"]
    assert "share of trials" in draw([first, second], "edf")
    with pytest.raises(InputError, match="slice draws one study, but 2 are given"):
        draw([first, second], "slice")
    other_way = make_study("loss", directions=["maximize"])
    add(other_way, [1.0], {"lr": 0.5})
    with pytest.raises(InputError, match="minimized in one of the studies and maximized in another"):
        draw([first, other_way], "history")


def test_parameters_can_be_chosen() -> None:
    figure = make_figure(compose([study_of("loss")], "slice", parameters=["lr"]))
    assert figure.layout.xaxis.title.text == "lr"
    with pytest.raises(NotFoundError, match="no parameter 'rate'"):
        draw(study_of("loss"), "slice", parameters=["rate"])
    with pytest.raises(InputError, match="pairs of parameters, but 1 is given"):
        draw(study_of("loss"), "contour", parameters=["lr"])


@pytest.mark.parametrize("plot", [*OF_ONE_METRIC, "pareto", "hypervolume"])
def test_every_plot_is_an_image_too(plot: str) -> None:
    pytest.importorskip("matplotlib")
    study = study_of("loss", "size") if plot in ("pareto", "hypervolume") else study_of("loss")
    svg = draw_image(study, plot, "svg").decode()  # type: ignore[arg-type]
    assert "<svg" in svg
    assert "known: " in svg


def test_an_image_has_the_format_of_its_ending() -> None:
    pytest.importorskip("matplotlib")
    assert draw_image(study_of("loss"), "history", "png").startswith(b"\x89PNG")
    assert draw_image([study_of("loss"), study_of("loss")], "history", "pdf").startswith(b"%PDF")
    assert [ending_of(Path(name)) for name in ("a.html", "a.b.SVG", "x/a.pdf")] == ["html", "svg", "pdf"]
    for name, said in (("h.jpg", "ends in .jpg"), ("h", "has no ending"), (".png", "has no ending")):
        with pytest.raises(InputError, match=f"a plot is html, svg, png or pdf, but {re.escape(name)} {said}"):
            ending_of(Path(name))


def test_a_page_shows_names_as_they_are() -> None:
    study = optuna.create_study(study_name="<b>lr & co</b>")
    add(study, [1.0], {"lr": 0.5})
    assert "<title>&lt;b&gt;lr &amp; co&lt;/b&gt;: history" in draw(study, "history")


@pytest.mark.parametrize(("package", "name"), [("plotly", "Plotly"), ("matplotlib", "Matplotlib")])
def test_without_its_package_it_says_what_to_install(
    package: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=name) as caught:
        draw(study_of("loss"), "history") if package == "plotly" else draw_image(
            study_of("loss"), "history", "png"
        )
    assert caught.value.hint == "pip install 'hpotool[plot]'"


def test_names_that_are_too_long_still_tell_parameters_apart() -> None:
    stages = [f"the_learning_rate_of_the_{which}_stage_for_embeddings" for which in ("second", "third")]
    short = shorten(["lr", "a_name_of_thirty_six_letters_or_more", *stages], 16)
    assert short["lr"] == "lr"
    assert short["a_name_of_thirty_six_letters_or_more"] == "a_name_…_or_more"
    assert [short[stage] for stage in stages] == ["…second_stage_f…", "…third_stage_fo…"]
    assert all(len(name) <= 16 for name in short.values())


@pytest.mark.parametrize(("plot", "most"), [("slice", 24), ("contour", 12), ("parallel", 12)])
def test_a_page_and_an_image_show_names_that_fit(plot: str, most: int) -> None:
    names = [
        f"a_parameter_with_a_long_name_in_front_of_its_{which}_half" for which in ("first", "second", "third")
    ]
    study = optuna.create_study()
    study.optimize(lambda trial: sum(trial.suggest_float(name, 0.0, 1.0) for name in names), n_trials=12)
    page = draw(study, plot)  # type: ignore[arg-type]
    drawn = draw_image(study, plot, "svg").decode()  # type: ignore[arg-type]
    for name in shorten(names, most).values():
        assert f">{name}<" in drawn
    for which in ("first", "second", "third"):
        assert re.search(rf"(…|\\u2026)\w*{which[-2:]}_half", page)


def test_a_long_title_takes_two_lines() -> None:
    study = study_of("loss")
    title = compose([study], "history").title
    assert "\n" not in title
    long = optuna.create_study(study_name="a-study-with-a-name-of-" + "many-" * 15 + "words")
    long.add_trials(study.trials)
    assert all(len(line) <= 100 for line in compose([long], "history").title.split("\n")[1:])


@pytest.mark.parametrize("plot", ["contour", "edf"])
def test_a_plot_of_one_trial_that_would_be_empty_is_refused(plot: str) -> None:
    study = make_study("loss", directions=["minimize"])
    add(study, [1.0], {"lr": 0.1, "depth": 3})
    with pytest.raises(InputError, match=f"{plot} needs at least 2 complete trials; study 'known' has 1"):
        draw(study, plot)  # type: ignore[arg-type]


def test_a_timeline_without_trials_is_refused() -> None:
    with pytest.raises(InputError, match="no trial that has begun"):
        draw(make_study("loss", directions=["minimize"]), "timeline")


def test_a_page_is_dark_where_the_reader_wants_dark_pages() -> None:
    assert "prefers-color-scheme: dark" in draw(study_of("loss"), "history")[:2000]
