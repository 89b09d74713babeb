from __future__ import annotations

import math
import random
import re
from typing import Any
from xml.etree import ElementTree

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from hpotool.analysis.importance import find_importance
from hpotool.analysis.report import figures
from hpotool.analysis.report.blocks import Figure
from tests.examples import examples
from tests.unit.analysis.studies import add, make_study


def study_of(count: int, **attributes: Any) -> optuna.Study:
    study = make_study("loss")
    rng = random.Random(0)
    for _ in range(count):
        params = {
            "lr": 10 ** rng.uniform(-5, 0),
            "depth": rng.randint(1, 20),
            "booster": rng.choice(["dart", None]),
        }
        add(study, [rng.random()], params, **attributes)
    return study


def count_of(figure: Figure | None, style: str) -> int:
    assert figure is not None
    ElementTree.fromstring(figure.svg)  # it is well-formed
    return len(re.findall(rf'class="{style}"', figure.svg))


def test_a_history_has_a_dot_for_each_trial_and_one_line() -> None:
    figure = figures.draw_history([study_of(20)], "loss")
    assert count_of(figure, "dot trial") == 20
    assert count_of(figure, "best") == 1


def test_of_very_many_trials_some_are_drawn_and_the_caption_says_so() -> None:
    figure = figures.draw_history([study_of(figures.MOST_DOTS + 300)], "loss")
    assert count_of(figure, "dot trial") == figures.MOST_DOTS
    assert figure is not None
    assert f"{figures.MOST_DOTS} of {figures.MOST_DOTS + 300} are drawn." in figure.caption


def test_histories_lie_over_each_other() -> None:
    figure = figures.draw_history([study_of(5), study_of(7)], "loss")
    assert (count_of(figure, "dot s0"), count_of(figure, "dot s1")) == (5, 7)


def test_what_is_not_there_is_not_drawn() -> None:
    empty = make_study("loss")
    add(empty, [math.inf], {"drop": 0.1})
    assert figures.draw_history([empty], "loss") is None
    assert figures.draw_slices(empty, "loss", ["drop"]) == []
    assert figures.draw_curves(empty, "loss") is None
    assert figures.draw_timeline({}) is None


def test_one_value_far_out_does_not_flatten_the_others() -> None:
    study = study_of(30)
    add(study, [1e12], {"drop": 0.5})
    figure = figures.draw_history([study], "loss")
    assert figure is not None
    heights = sorted(float(one) for one in re.findall(r'cy="([\d.]+)"', figure.svg))
    assert heights[-1] - heights[1] > 100


def test_there_is_a_slice_for_each_parameter_that_some_trial_has() -> None:
    found = figures.draw_slices(study_of(15), "loss", ["lr", "depth", "booster", "gone"])
    assert [figure.caption for figure in found] == ["loss over lr", "loss over depth", "loss over booster"]
    assert [count_of(figure, "dot trial") for figure in found] == [15, 15, 15]
    assert "None" in found[2].svg


def test_curves_are_those_of_trials_that_reported_and_the_best_is_strong() -> None:
    study = make_study("loss")
    reports = {1: 0.9, 2: 0.8}
    add(study, [0.5], {"drop": 0.1}, intermediate_values=reports)
    add(study, [0.7], {"drop": 0.2}, state=TrialState.PRUNED, intermediate_values={1: 0.9, 2: math.nan, 3: 0.9})
    add(study, [0.6], {"drop": 0.3})
    figure = figures.draw_curves(study, "loss")
    assert (count_of(figure, "best"), count_of(figure, "curve pruned"), count_of(figure, "curve")) == (1, 1, 0)


@pytest.mark.parametrize("evaluator", ["kernel-anova", "ped-anova"])
def test_importance_is_drawn_with_its_intervals_where_there_are_any(evaluator: Any) -> None:
    (found,) = find_importance(study_of(30), evaluator=evaluator)
    figure = figures.draw_importance(found)
    intervals = 4 if evaluator == "kernel-anova" else 0
    assert count_of(figure, "interval") == intervals
    assert len(re.findall(r'class="bar', figure.svg)) == (4 if intervals else 3)


def test_the_timeline_has_a_lane_for_each_worker_up_to_a_limit() -> None:
    attempts = {
        number: [
            {
                "worker": f"w{number % 40}",
                "started": f"2026-01-01T00:{number % 60:02d}:00+00:00",
                "duration_s": 30.0,
                "outcome": "error" if number == 3 else "complete",
            }
        ]
        for number in range(50)
    }
    figure = figures.draw_timeline(attempts)
    assert count_of(figure, "attempt failed") == 1
    assert figure is not None
    assert f"{40 - figures.MOST_LANES} more workers are not shown." in figure.caption


def test_names_that_look_like_markup_are_text() -> None:
    attempts = {
        0: [{"worker": "<b>&", "started": "2026-01-01T00:00:00+00:00", "duration_s": 0.0, "outcome": None}]
    }
    assert count_of(figures.draw_timeline(attempts), "attempt running") == 1


def test_fewer_can_be_asked_for_where_a_page_is_sent_often() -> None:
    figure = figures.draw_history([study_of(60)], "loss", 30)
    assert count_of(figure, "dot trial") == 30
    assert figure is not None
    assert "30 of 60 are drawn." in figure.caption


def test_pruned_trials_after_the_last_complete_one_have_their_own_places() -> None:
    study = study_of(3)
    for step in range(4):
        trial = optuna.trial.create_trial(state=TrialState.PRUNED, intermediate_values={step: 0.5})
        study.add_trial(trial)
    figure = figures.draw_history([study], "loss")
    assert count_of(figure, "pruned") == 4
    assert figure is not None
    places = re.findall(r'class="pruned" cx="([\d.]+)"', figure.svg)
    assert len(set(places)) == 4


def test_the_names_of_studies_stand_above_the_plot() -> None:
    studies = [make_study("loss") for _ in range(3)]
    for study in studies:
        add(study, [0.5], {"drop": 0.1})
    figure = figures.draw_history(studies, "loss")
    assert figure is not None
    names = [float(y) for y in re.findall(r'class="name s\d" x="[\d.]+" y="([\d.]+)"', figure.svg)]
    dots = [float(y) for y in re.findall(r'<circle [^>]*cy="([\d.]+)"', figure.svg)]
    assert len(names) == len(dots) == 3
    assert max(names) < min(dots)


@given(st.lists(st.integers(), max_size=60), st.integers(2, 20))
def test_thinning_keeps_the_order_the_ends_and_the_number(found: list[int], most: int) -> None:
    numbered = list(enumerate(found))
    kept = figures.thin(numbered, most)
    assert len(kept) == min(len(found), most)
    assert [place for place, _ in kept] == sorted({place for place, _ in kept})
    if found:
        assert (kept[0], kept[-1]) == (numbered[0], numbered[-1])


POINTS = st.lists(st.tuples(st.floats(-100, 100), st.sampled_from([-1.0, 0.0, 1.0])), min_size=1, max_size=8)


@settings(max_examples=examples(40))
@given(POINTS, st.sampled_from(["minimize", "maximize"]))
def test_the_line_of_a_history_has_a_step_for_each_new_feasible_best(
    points: list[tuple[float, float]], direction: str
) -> None:
    study = make_study("loss", directions=[direction])
    for value, violation in points:
        add(study, [value], {"drop": 0.5}, constraints={"size": violation})
    better = min if direction == "minimize" else max
    bests: list[float] = []
    for value, violation in points:
        if violation <= 0 and (not bests or better(value, bests[-1]) != bests[-1]):
            bests.append(value)
    figure = figures.draw_history([study], "loss")
    assert figure is not None
    [line] = re.findall(r'class="best" points="([^"]*)"', figure.svg)
    corners = line.split()
    assert len(corners) == (2 * len(bests) if bests else 0)
    assert count_of(figure, "dot trial") == len(points)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_caption_names_the_studies_where_there_are_several(count: int) -> None:
    figure = figures.draw_history([study_of(3) for _ in range(count)], "loss")
    assert figure is not None
    assert ("known" in figure.caption) == (count > 1)
    assert figure.caption.count("known") == (count if count > 1 else 0)


def test_one_trial_alone_has_a_history() -> None:
    assert count_of(figures.draw_history([study_of(1)], "loss"), "dot trial") == 1


def test_a_study_without_a_value_beside_one_with_values_has_no_dots() -> None:
    figure = figures.draw_history([make_study("loss"), study_of(4)], "loss")
    assert (count_of(figure, "dot s0"), count_of(figure, "dot s1")) == (0, 4)


@pytest.mark.parametrize("reports", [{}, {0: 1.0}, {0: math.nan, 1: 1.0}, {0: math.inf, 5: -math.inf}])
def test_fewer_than_two_finite_reports_are_no_curve(reports: dict[int, float]) -> None:
    study = make_study("loss")
    add(study, [0.5], {"drop": 0.1}, intermediate_values=reports)
    assert figures.draw_curves(study, "loss") is None


def test_the_best_of_many_curves_is_drawn_even_if_it_is_not_among_those_chosen() -> None:
    study = make_study("loss")
    for number in range(figures.MOST_CURVES + 50):
        best = number == 1  # which thinning leaves out
        add(study, [0.0 if best else 1.0 + number], {"drop": 0.1}, intermediate_values={0: 2.0, 1: 1.0})
    figure = figures.draw_curves(study, "loss")
    assert count_of(figure, "best") == 1
    assert figure is not None
    assert "trial 1, the best" in figure.caption
    assert f"{figures.MOST_CURVES} of {figures.MOST_CURVES + 50} are drawn." in figure.caption


def test_curves_of_several_metrics_have_no_best() -> None:
    study = make_study("a", "b", directions=["minimize", "minimize"])
    add(study, [1.0, 2.0], {"drop": 0.1}, intermediate_values={0: 2.0, 1: 1.0})
    figure = figures.draw_curves(study, "a")
    assert count_of(figure, "best") == 0
    assert figure is not None
    assert "the best" not in figure.caption


def test_only_so_many_parameters_have_a_slice() -> None:
    study = make_study("loss")
    space = {f"p{place}": optuna.distributions.FloatDistribution(0, 1) for place in range(20)}
    params = dict.fromkeys(space, 0.5)
    study.add_trial(optuna.trial.create_trial(value=1.0, params=params, distributions=dict(space)))
    assert len(figures.draw_slices(study, "loss", list(space))) == figures.MOST_SLICES


def test_a_slice_of_a_log_parameter_has_powers_of_ten_and_one_of_many_choices_has_no_labels() -> None:
    study = make_study("loss")
    many = optuna.distributions.CategoricalDistribution([f"choice {place}" for place in range(9)])
    for place in range(9):
        space = {"lr": optuna.distributions.FloatDistribution(1e-6, 1.0, log=True), "kind": many}
        params = {"lr": 10.0 ** -(place % 6), "kind": f"choice {place}"}
        study.add_trial(optuna.trial.create_trial(value=1.0, params=params, distributions=dict(space)))
    lr, kind = figures.draw_slices(study, "loss", ["lr", "kind"])
    ticks = re.findall(r'<text class="tick"[^>]*text-anchor="middle">([^<]*)<', lr.svg)
    assert len(ticks) > 1
    assert all(math.log10(float(tick)).is_integer() for tick in ticks)
    assert "choice" not in re.sub(r"<title>.*?</title>", "", kind.svg)


@pytest.mark.parametrize(
    ("seconds", "unit"), [(1.0, "s"), (119.0, "s"), (120.0, "min"), (7199.0, "min"), (7200.0, "h"), (0.0, "s")]
)
def test_a_timeline_counts_in_the_unit_that_fits(seconds: float, unit: str) -> None:
    one = {"worker": "w", "started": "2026-01-01T00:00:00+00:00", "duration_s": seconds, "outcome": "complete"}
    figure = figures.draw_timeline({0: [one]})
    assert figure is not None
    assert f"{unit} since the first attempt" in figure.svg


def test_an_attempt_that_has_no_start_is_left_out_of_the_timeline() -> None:
    one = {"worker": "w", "started": None, "duration_s": 1.0, "outcome": "complete"}
    assert figures.draw_timeline({0: [one]}) is None


def test_the_bars_of_importance_are_in_order_and_a_bar_that_says_nothing_is_pale() -> None:
    (found,) = find_importance(study_of(30))
    figure = figures.draw_importance(found)
    assert found.sureness is not None
    assert count_of(figure, "bar untold") == len(found.sureness.untold)
    shown = re.findall(r"<title>(\w+): [\d.]+</title>", figure.svg)
    assert shown == list(found.importance)[::-1]
