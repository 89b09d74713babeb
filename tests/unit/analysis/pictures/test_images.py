"""Images: drawn whatever the names are, and none is taken for mathematics."""

from __future__ import annotations

import re

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution

pytest.importorskip("matplotlib")

from hpotool.analysis.pictures.images import render_image, round_numbers
from hpotool.analysis.pictures.picture import compose
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
