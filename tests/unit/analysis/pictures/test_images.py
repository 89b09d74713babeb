"""Images: drawn whatever the names are, and none is taken for mathematics."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

pytest.importorskip("matplotlib")

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.figure import Figure

from hpotool.analysis.pictures.images import do_fit, render_image, round_numbers
from hpotool.analysis.pictures.picture import Picture, Plot, compose, without_quotes
from hpotool.errors import InputError
from tests.unit.analysis.studies import add, make_study


def odd(name: str) -> optuna.Study:
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


def texts(svg: bytes) -> str:
    return " ".join(re.findall(r"<text[^>]*>([^<]*)", svg.decode()))


@pytest.mark.parametrize(("plot", "name"), [("history", "$\\frac$"), ("reports", "a$b^$c"), ("slice", "cost_$")])
def test_a_name_with_dollars_is_no_formula(plot: str, name: str) -> None:
    svg = render_image(compose([odd(name)], plot), "svg")  # type: ignore[arg-type]
    assert f"{name}: " in texts(svg), "the title"


@pytest.mark.parametrize("plot", ["importance", "edf"])
def test_a_metric_and_a_parameter_with_dollars_label_their_axes(plot: str) -> None:
    said = texts(render_image(compose([odd("$lr_0$")], plot), "svg"))  # type: ignore[arg-type]
    assert said.count("$lr_0$") >= 2


def test_the_ticks_of_a_logarithmic_axis_are_numbers_and_no_formulas() -> None:
    study = make_study("loss")
    for place in range(6):
        add(study, [float(place)], {"lr": 10.0**-place})
    said = texts(render_image(compose([study], "slice"), "svg"))
    assert "mathdefault" not in said
    assert all(number in said.split() for number in ("0.1", "0.001", "1e-05"))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1e-6, 1.0, [1e-6, 1e-4, 1e-2, 1.0]),
        (0.05, 12.0, [0.1, 1.0, 10.0]),
        (0.06, 0.48, [0.1, 0.2]),
        (2.2, 6.0, [3.0, 4.0, 5.0, 6.0]),
        (0.31, 0.39, [0.32, 0.36]),
        (1e-300, 1e300, [1e-300, 1e-149, 100.0, 1e153]),
    ],
)
def test_a_logarithmic_axis_has_few_round_numbers(low: float, high: float, ticks: list[float]) -> None:
    assert round_numbers(low, high) == pytest.approx(ticks)


@given(st.floats(1e-12, 1e12), st.floats(1.001, 1e12))
def test_any_logarithmic_axis_has_one_to_four_ticks_within(low: float, factor: float) -> None:
    found = round_numbers(low, low * factor)
    assert 1 <= len(found) <= 4
    assert all(low * (1 - 1e-6) <= value <= low * factor * (1 + 1e-6) for value in found)


def test_the_legend_of_several_studies_names_each_as_it_is() -> None:
    studies = [odd("$a_1$"), odd("_hidden")]
    said = texts(render_image(compose(_same_metric(studies), "history"), "svg"))
    assert "best of $a_1$" in said
    assert "best of _hidden" in said


def _same_metric(studies: list[optuna.Study]) -> list[optuna.Study]:
    for study in studies:
        study.set_metric_names(["loss"])
    return studies


@pytest.mark.parametrize("count", [1, 6])
def test_any_number_of_panels_is_drawn(count: int) -> None:
    study = make_study("loss")
    space = {f"p{place}": FloatDistribution(0.0, 1.0) for place in range(count)}
    for value in (0.25, 0.75):
        params = dict.fromkeys(space, value)
        study.add_trial(optuna.trial.create_trial(value=value, params=params, distributions=dict(space)))
    said = texts(render_image(compose([study], "slice"), "svg"))
    assert all(name in said for name in space)


def test_a_history_alone_has_a_legend_of_what_is_there() -> None:
    study = make_study("loss")
    for value in (3.0, 2.0):
        add(study, [value], {"lr": 0.1})
    said = texts(render_image(compose([study], "history"), "svg"))
    assert "complete" in said
    assert "best" in said
    assert "infeasible" not in said
    add(study, [1.0], {"lr": 0.1}, constraints={"size": 1.0})
    assert "infeasible" in texts(render_image(compose([study], "history"), "svg"))


LONG = {
    "learning_rate_of_the_encoder_before_warmup": FloatDistribution(1e-5, 1e-1, log=True),
    "number_of_hidden_units_in_the_second_dense_layer": IntDistribution(1, 100_000),
    "optimizer_for_the_discriminator_network": CategoricalDistribution(["a-rather-long-choice", "sgd", "adamw"]),
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
}


def with_long_names(count: int) -> optuna.Study:
    study = optuna.create_study(study_name="a-study-" + "x" * 90, sampler=optuna.samplers.RandomSampler(0))
    study.set_metric_names(["validation_cross_entropy_loss_after_the_last_epoch"])
    for place in range(count):
        trial = study.ask(LONG)
        trial.report(place, 0)
        study.tell(trial, float(place % 7))
    return study


def drawn(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> Figure:
    """The figure, as it is saved."""
    figures: list[Figure] = []
    monkeypatch.setattr(pyplot, "close", figures.append)
    assert render_image(picture, "pdf").startswith(b"%PDF")
    monkeypatch.undo()
    [figure] = figures
    figure.canvas.draw()  # saving has moved labels to where they are in inches of its own
    pyplot.close(figure)
    return figure


def corners_of_words(figure: Figure) -> dict[str, Any]:
    """The four corners of each text below and beside the panels; those of rotated ones too."""
    axes_shown = [axis for axes in figure.axes if axes.get_visible() for axis in (axes.xaxis, axes.yaxis)]
    words = [axis.label for axis in axes_shown]
    for axis in axes_shown:
        low, high = sorted(axis.get_view_interval())
        side = 0 if axis.axis_name == "x" else 1
        # The others are not drawn.
        words += [label for label in axis.get_ticklabels() if low <= label.get_position()[side] <= high]
    found = {}
    for place, text in enumerate(words):
        if not (text.get_text() and text.get_visible()):
            continue
        angle = text.get_rotation()
        text.set_rotation(0)
        width, height = text.get_window_extent().size
        text.set_rotation(angle)
        turned, box = mpl.transforms.Affine2D().rotate_deg(angle), text.get_window_extent()
        flat = turned.transform([(0, 0), (width, 0), (width, height), (0, height)])
        found[f"{place} {text.get_text()}"] = flat - (flat.min(axis=0) - (box.x0, box.y0))
    return found


def do_overlap(one: Any, other: Any) -> bool:
    """Whether two rectangles of any angle have a point in common: no side of either parts them."""
    for corners in (one, other):
        for side in np.diff(corners[:3], axis=0):
            normal = np.array([-side[1], side[0]]) / max(1e-9, np.hypot(*side))
            first, second = one @ normal, other @ normal
            if first.max() <= second.min() + 1.5 or second.max() <= first.min() + 1.5:  # pixels
                return False
    return True


@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize("plot", ["history", "slice", "contour", "rank", "timeline", "importance", "reports"])
def test_no_words_lie_over_each_other(plot: Plot, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        picture = compose([with_long_names(count)], plot)
    except InputError:  # too few trials
        return
    figure = drawn(picture, monkeypatch)
    words = corners_of_words(figure)
    pairs = itertools.combinations(words, 2)
    assert [pair for pair in pairs if do_overlap(words[pair[0]], words[pair[1]])] == []


@pytest.mark.parametrize("choices", [["depthwise", "lossguide"], ["a-rather-long-choice", "sgd", "adamw"]])
def test_the_words_below_a_panel_are_not_hidden_by_the_panel_below_it(
    choices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    for place in range(20):
        trial = study.ask({f"choice_{number}": CategoricalDistribution(choices) for number in range(7)})
        study.tell(trial, float(place % 7))
    figure = drawn(compose([study], "slice"), monkeypatch)
    panels = {
        f"panel {place}": np.array([(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)])
        for place, box in enumerate(axes.get_window_extent() for axes in figure.axes)
    }
    words = corners_of_words(figure)
    assert sum("choice_" in word for word in words) == 7
    pairs = [*itertools.combinations(words, 2), *itertools.product(words, panels)]
    places = words | panels
    assert [pair for pair in pairs if do_overlap(places[pair[0]], places[pair[1]])] == []


@pytest.mark.parametrize(
    ("texts", "plain"),
    [
        (["'adam'", "'sgd'"], ["adam", "sgd"]),
        (["'adam'", "None", "0.5"], ["adam", "None", "0.5"]),
        (["'1'", "1"], ["'1'", "1"]),
        (["''", '"it\'s"'], ["''", "it's"]),
        ([], []),
    ],
)
def test_a_choice_has_no_quotes_if_it_is_told_from_the_others_without(texts: list[str], plain: list[str]) -> None:
    assert without_quotes(texts) == plain


def test_a_few_short_choices_fit_below_a_panel() -> None:
    assert do_fit(["depthwise", "lossguide"])
    assert do_fit(["a", "b", "c", "d", "e", "f"])
    assert not do_fit(["lossguides", "b"])
    assert not do_fit(["adam", "sgd", "rmsprop", "lion"])


@pytest.mark.parametrize(("plot", "side"), [("timeline", "yaxis"), ("history", "xaxis")])
def test_one_trial_has_one_tick(plot: Plot, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = drawn(compose([with_long_names(1)], plot), monkeypatch)
    assert list(getattr(figure.axes[0], side).get_ticklocs()) == [0]


def test_a_document_has_fonts_that_can_be_edited() -> None:
    content = render_image(compose([with_long_names(3)], "history"), "pdf")
    assert b"/Type3" not in content
    assert b"/FontFile2" in content, "TrueType"
