from __future__ import annotations

import random
import sys

import optuna
import pytest

from hpotool.analysis.plots import draw
from hpotool.errors import InputError, NotFoundError
from tests.unit.analysis.studies import add, make_study

pytest.importorskip("plotly")


def study_of(*metrics: str) -> optuna.Study:
    rng = random.Random(0)
    study = make_study(*metrics, directions=["minimize"] * len(metrics))
    for _ in range(12):
        lr, depth = rng.uniform(0.01, 1.0), rng.randint(1, 20)
        values = [(lr - 0.3) ** 2, depth / 20, lr * depth][: len(metrics)]
        add(study, values, {"lr": lr, "depth": depth}, intermediate_values={0: 1.0, 1: values[0]})
    return study


@pytest.mark.parametrize("plot", ["history", "importance", "slice", "parallel", "reports", "timeline"])
def test_a_plot_of_one_metric_is_a_whole_page_that_names_what_it_shows(plot: str) -> None:
    page = draw(study_of("loss"), plot)  # type: ignore[arg-type]
    assert "<html>" in page[:100]
    assert "known: " in page
    assert "Plotly.newPlot" in page
    assert 'src="http' not in page  # it is looked at where there is no network
    if plot in ("history", "slice", "parallel", "importance"):
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
    with pytest.raises(InputError, match="reported anything"):
        draw(study, "reports")


def test_without_plotly_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(InputError, match="Plotly") as caught:
        draw(study_of("loss"), "history")
    assert caught.value.hint == "pip install 'hpotool[plot]'"
