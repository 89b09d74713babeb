"""What a plot shows is decided before anything is drawn: studies, metric, parameters, title, or why none.

Nothing is drawn here: `test_pages.py` and `test_images.py` do that.
"""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from hpotool.analysis.pictures.picture import MOST_IN_PAIRS, compose
from hpotool.errors import InputError, NotFoundError
from tests.unit.analysis.studies import add, make_study

OF_ONE = ("history", "importance", "slice", "parallel", "contour", "rank", "edf", "reports", "timeline")
EVERY = (*OF_ONE, "pareto", "hypervolume")


def study_of(*metrics: str, direction: str = "minimize", trials: int = 8) -> optuna.Study:
    study = make_study(*metrics, directions=[direction] * max(1, len(metrics)))
    for place in range(trials):
        values = [place + 1.0, 9.0 - place, place % 3 + 0.5, 1.0][: max(1, len(metrics))]
        params = {"lr": 0.01 * (place + 1), "depth": place + 1, "drop": place / 10, "noise": 0.9 - place / 10}
        add(study, values, params, intermediate_values={0: 1.0, 1: values[0]})
    return study


def picture(study: optuna.Study, plot: str, *more: Any, **options: Any) -> Any:
    return compose([study], plot, *more, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("plot", OF_ONE)
def test_a_plot_of_one_metric_has_a_title_with_the_study_and_what_is_shown(plot: str) -> None:
    made = picture(study_of("loss"), plot)
    assert made.title.startswith("known: ")
    assert len(made.title) > len("known: ")
    assert made.metric == "loss"
    assert ("loss" in made.title) == (plot not in ("reports", "timeline"))


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_title_says_which_way_is_better(direction: str) -> None:
    study = study_of("loss", direction=direction)
    for plot in ("history", "parallel", "contour", "rank", "edf"):
        assert picture(study, plot).title.endswith(f"({direction})")


def test_the_title_of_a_front_names_every_metric() -> None:
    study = study_of("loss", "size", "latency")
    assert picture(study, "pareto").title == "known: Pareto front of loss and size and latency"
    assert picture(study_of("loss", "size"), "hypervolume").title == "known: hypervolume of loss and size"


@pytest.mark.parametrize("plot", ["history", "edf"])
def test_the_title_of_several_studies_names_each(plot: str) -> None:
    other = optuna.create_study(study_name="other")
    other.set_metric_names(["loss"])
    add(other, [1.0], {"lr": 0.1})
    add(other, [2.0], {"lr": 0.2})
    made = compose([study_of("loss"), other], plot)  # type: ignore[arg-type]
    assert made.title.startswith("known, other: ")
    assert len(made.views) == 2


@pytest.mark.parametrize("plot", [plot for plot in EVERY if plot not in ("history", "edf")])
def test_what_draws_one_study_refuses_two(plot: str) -> None:
    studies = [study_of("loss", "size"), study_of("loss", "size")]
    with pytest.raises(InputError, match=f"{plot} draws one study, but 2 are given") as refused:
        compose(studies, plot)  # type: ignore[arg-type]
    assert refused.value.hint == "history and edf draw several"


@pytest.mark.parametrize("plot", ["pareto", "hypervolume"])
@pytest.mark.parametrize("metrics", [("a",), ("a", "b", "c", "d")])
def test_a_front_of_one_or_four_metrics_is_refused_with_a_command(plot: str, metrics: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=f"of 2 or 3 metrics; study 'known' has {len(metrics)}") as refused:
        picture(study_of(*metrics), plot)
    assert refused.value.hint is not None
    assert refused.value.hint.startswith("hpotool ")


@pytest.mark.parametrize("plot", [plot for plot in OF_ONE if plot != "timeline"])
@pytest.mark.parametrize("state", [None, TrialState.FAIL, TrialState.PRUNED, TrialState.RUNNING])
def test_nothing_is_drawn_before_a_trial_is_complete(plot: str, state: TrialState | None) -> None:
    study = make_study("loss")
    if state is not None:
        add(study, None, {"lr": 0.1}, state=state, intermediate_values={0: 1.0})
    with pytest.raises(InputError, match="study 'known' has no complete trial to draw") as refused:
        picture(study, plot)
    assert refused.value.hint == "hpotool status --study known"


def test_a_timeline_is_drawn_of_trials_that_only_failed() -> None:
    study = make_study("loss")
    add(study, None, {"lr": 0.1}, state=TrialState.FAIL)
    assert picture(study, "timeline").title == "known: timeline"


def test_reports_have_to_be_there() -> None:
    study = make_study("loss")
    add(study, [1.0], {"lr": 0.1})
    with pytest.raises(InputError, match="no trial of study 'known' has intermediate reports"):
        picture(study, "reports")


def test_a_front_of_which_one_metric_cannot_be_drawn_is_refused() -> None:
    study = make_study("a", "b", directions=["minimize", "minimize"])
    add(study, [1.0, math.inf], {"lr": 0.1})
    with pytest.raises(InputError, match="no complete trial to draw"):
        picture(study, "pareto")


@pytest.mark.parametrize("plot", [*OF_ONE, "hypervolume"])
def test_a_metric_that_is_not_there_is_named_with_those_that_are(plot: str) -> None:
    with pytest.raises(NotFoundError, match="study 'known' has no metric 'los'") as missing:
        picture(study_of("loss", "size"), plot, "los")
    assert missing.value.hint == "its metrics are: loss, size"


def test_the_metric_has_to_be_in_every_study() -> None:
    with pytest.raises(NotFoundError, match="no metric 'loss'"):
        compose([study_of("loss"), study_of("accuracy")], "history")


def test_a_parameter_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(NotFoundError, match="study 'known' has no parameter 'LR'") as missing:
        picture(study_of("loss"), "slice", None, ["lr", "LR"])
    assert missing.value.hint == "its parameters are: depth, drop, lr, noise"


def test_parameters_that_are_named_twice_are_drawn_once_and_in_that_order() -> None:
    assert picture(study_of("loss"), "slice", None, ["lr", "depth", "lr"]).parameters == ["lr", "depth"]
    assert picture(study_of("loss"), "slice").parameters is None, "all of them"


@pytest.mark.parametrize("plot", ["contour", "rank"])
def test_pairs_take_two_parameters_or_more_and_by_default_the_most_important(plot: str) -> None:
    study = study_of("loss")
    add(study, [5.0], {"booster": "dart"})
    made = picture(study, plot)
    assert made.parameters is not None
    assert len(made.parameters) == MOST_IN_PAIRS
    assert picture(study, plot, None, ["lr", "depth"]).parameters == ["lr", "depth"]
    for chosen in (["lr"], ["lr", "lr"]):
        with pytest.raises(InputError, match=f"{plot} draws pairs of parameters, but 1 is given"):
            picture(study, plot, None, chosen)


def test_the_importance_is_that_of_the_chosen_metric() -> None:
    made = picture(study_of("loss", "size"), "importance", "size")
    assert made.importance is not None
    assert made.importance.metric == "size"
    assert made.title.startswith("known: importance for size (")


def test_pruned_trials_are_drawn_only_where_their_reports_are_of_the_metric() -> None:
    reports = {0: 3.0, 4: 2.0}
    for metrics, drawn in ((("loss",), {1: 2.0}), (("loss", "size"), {})):
        study = make_study(*metrics, directions=["minimize"] * len(metrics))
        add(study, [1.0] * len(metrics), {"lr": 0.1})
        add(study, None, {"lr": 0.2}, state=TrialState.PRUNED, intermediate_values=reports)
        made = picture(study, "history")
        assert made.pruned(made.view) == drawn


def test_nobody_is_the_best_where_no_feasible_trial_is_complete() -> None:
    study = make_study("loss")
    add(study, [1.0], {"lr": 0.1}, constraints={"size": 1.0})
    assert picture(study, "history").best_number() is None
    add(study, [2.0], {"lr": 0.1}, constraints={"size": 0.0})
    assert picture(study, "history").best_number() == 1


FINITE = st.floats(-1e100, 1e100)


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=6))
def test_the_reference_point_is_the_worst_of_each_metric(values: list[tuple[float, float]]) -> None:
    study = make_study("a", "b", directions=["minimize", "maximize"])
    for pair in values:
        add(study, pair, {"lr": 0.1})
    made = picture(study, "hypervolume")
    assert made.reference_point() == [max(a for a, _ in values), min(b for _, b in values)]
