from __future__ import annotations

import time

import pytest

from hpotool.study.file.reader import read_study_data
from hpotool.study.rules.grid import count_points
from hpotool.study.rules.sampler_choice import choose_sampler
from hpotool.study.spec import StudySpec

X = {"float": [0, 1]}


def study(**keys: object) -> StudySpec:
    data = {
        "study": "s",
        "objective": {"python": "m:f"},
        "metrics": {"loss": "minimize"},
        "search_space": {"x": X},
    }
    return read_study_data(data | keys)


@pytest.mark.parametrize(
    ("keys", "workers", "chosen", "reason"),
    [
        ({}, 0, "a Gaussian process and TPE in turns", "an improvement is likely"),
        ({}, 8, "a Gaussian process and TPE in turns", "with 8 workers, each is sent away from"),
        (
            {"metrics": {"a": "minimize", "b": "maximize"}},
            0,
            "a Gaussian process and TPE in turns",
            "weights the 2 metrics differently",
        ),
        ({"constraints": {"size": "<= 3"}}, 0, "a Gaussian process and TPE in turns", "where it is met: size"),
        (
            {"search_space": {}},
            0,
            "a Gaussian process and TPE in turns",
            "the first trials show which parameters the objective suggests",
        ),
        (
            {"search_space": {"kind": {"choice": ["a", "b"]}, "y": {**X, "when": {"kind": "b"}}}},
            0,
            "a Gaussian process and TPE in turns",
            "those that only some trials have: y",
        ),
        (
            {
                "search_space": {"n": {"int": [1, 9], "step": 2}, "c": {"choice": ["a", "b", "c"]}},
                "budget": {"trials": 15},
            },
            0,
            "a Gaussian process and TPE in turns",
            "15 trials are enough for each of the 15 points",
        ),
        (
            {"budget": {"trials": 10}},
            0,
            "points that keep their distance",
            "the budget of 10 trials ends before a model is used, which is after 10",
        ),
        (
            {"budget": {"trials": 19}, "sampler": {"name": "auto", "n_startup_trials": 20}},
            0,
            "points that keep their distance",
            "after 20",
        ),
        (
            {"tiers": [{"trials": 9, "steps": 3}, {"trials": 3, "steps": 9}], "budget": {}},
            0,
            "points that keep their distance",
            "the first tier of 9 trials ends before a model is used, which is after 10",
        ),
        (
            {"sampler": {"name": "pbt", "interval": 3}, "budget": {"trials": 40}},
            0,
            "population based training",
            "8 members, 3 steps per trial, and the worst continue from the best",
        ),
        ({"sampler": "cmaes"}, 32, "cmaes", "the study file names it"),
    ],
)
def test_a_study_is_told_what_searches_it_and_why(
    keys: dict[str, object], workers: int, chosen: str, reason: str
) -> None:
    choice = choose_sampler(study(**keys), workers)
    assert choice.chosen == chosen
    assert reason in choice.sentence
    assert choice.sentence.startswith(f"{chosen}: ")


def test_nobody_counts_the_points_of_a_space_that_the_objective_suggests() -> None:
    assert "enough" not in choose_sampler(study(search_space={}, budget={"trials": 60})).sentence


def test_a_space_with_one_point_more_than_the_budget_is_not_said_to_be_tried_whole() -> None:
    choice = choose_sampler(study(search_space={"n": {"int": [0, 15]}}, budget={"trials": 15}))
    assert "enough" not in choice.sentence


def test_points_are_counted_without_being_listed() -> None:
    space = study(search_space={"n": {"int": [0, 10**12]}, "f": {"float": [0, 1], "step": 0.1}}).search_space
    started = time.perf_counter()
    assert count_points([parameter.distribution for parameter in space]) == (10**12 + 1) * 11
    assert time.perf_counter() - started < 1
    assert count_points([parameter.distribution for parameter in study().search_space]) is None


@pytest.mark.parametrize(
    ("keys", "summary"),
    [
        ({"budget": {"trials": 200}}, "a Gaussian process and TPE in turns"),
        ({"sampler": "tpe"}, "tpe"),
        (
            {"budget": {"trials": 5}},
            "points that keep their distance: "
            "the budget of 5 trials ends before a model is used, which is after 10",
        ),
    ],
)
def test_a_summary_leaves_out_what_holds_for_every_study(keys: dict[str, object], summary: str) -> None:
    assert choose_sampler(study(**keys)).summary == summary


def test_a_summary_leaves_out_what_every_such_study_has() -> None:
    for spec in (study(), study(sampler="tpe"), study(metrics={"a": "minimize", "b": "maximize"})):
        choice = choose_sampler(spec)
        assert choice.sentence.startswith(choice.summary.partition(":")[0])
        assert len(choice.summary) <= len(choice.sentence)
        said = [reason for reason in choice.reasons if reason in choice.summary]
        assert choice.summary == (f"{choice.chosen}: {'; '.join(said)}" if said else choice.chosen)
        assert choice.as_data() == {"chosen": choice.chosen, "why": list(choice.reasons)}
