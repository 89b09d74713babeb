from __future__ import annotations

import math
import random
import re
from typing import Any
from xml.etree import ElementTree

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.analysis.importance import find_importance
from hpotool.analysis.report import figures
from hpotool.analysis.report.blocks import Figure
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
