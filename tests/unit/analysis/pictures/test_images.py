"""Images: drawn whatever the names are, and none is taken for mathematics."""

from __future__ import annotations

import re

import optuna
import pytest
from optuna.distributions import FloatDistribution

pytest.importorskip("matplotlib")

from hpotool.analysis.pictures.images import render_image
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
    powers = {10.0**-place for place in range(6)}
    numbers = {float(word.replace("\N{MINUS SIGN}", "-")) for word in said.split() if word[0].isdigit()}
    assert len(powers & numbers) > 2


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
