"""Confirmed trials first, by what was measured again, and nobody is called confirmed who is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hpotool.analysis.confirmation.answer import ConfirmationAnswer, answer
from hpotool.analysis.confirmation.ranking import find_confirmed_best, find_confirmed_front
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.confirmation.rounds import Replicate
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.replicates import Measurement
from tests.unit.analysis.studies import add, make_study


def _study():
    study = make_study("loss")
    for value, lr in ((0.1, 0.1), (0.2, 0.2), (0.3, 0.3), (0.15, 0.4)):
        add(study, [value], {"lr": lr})
    return study


def _confirmed(
    means: Mapping[int, float], violations: Mapping[int, float] | None = None, metrics: Sequence[str] = ("loss",)
) -> ConfirmationAnswer:
    points = tuple(Point(f"trial {n}", {"lr": round(0.1 + n / 10, 1)}, n) for n in means)
    replicates = [
        Replicate(
            Reevaluation("confirm", f"trial {number}", seed),
            0,
            "COMPLETE",
            Measurement((mean + seed / 1000,) * len(metrics), {"size": (violations or {}).get(number, 0.0)}),
        )
        for number, mean in means.items()
        for seed in range(4)
    ]
    return answer(Order(points, 4), replicates, dict.fromkeys(metrics, "minimize"))


def test_without_a_confirmation_nothing_changes() -> None:
    found = find_confirmed_best(_study(), None, 4)
    assert [trial.number for trial in found.trials] == [0, 3, 1, 2]
    assert "confirmed" not in found.as_data()["trials"][0]
    assert found.as_rows()[0] == {"trial": 0, "loss": 0.1, "lr": 0.1}


def test_confirmed_trials_are_first_in_the_order_of_what_was_measured_again() -> None:
    found = find_confirmed_best(_study(), _confirmed({0: 0.5, 1: 0.21}), 4)
    assert [trial.number for trial in found.trials] == [1, 0, 3, 2]
    data = found.as_data()["trials"]
    assert [one["confirmed"] is not None for one in data] == [True, True, False, False]
    assert data[0]["confirmed"]["replicates"] == 4
    assert data[0]["values"] == {"loss": 0.2}, "what the search saw stays what it was"
    assert [row["seeds"] for row in found.as_rows()] == [4, 4, None, None]


def test_only_so_many_are_shown_and_the_confirmed_best_is_the_first() -> None:
    assert [trial.number for trial in find_confirmed_best(_study(), _confirmed({2: 0.05})).trials] == [2]


def test_a_point_that_turned_out_to_break_a_constraint_is_none_of_the_best() -> None:
    found = find_confirmed_best(_study(), _confirmed({0: 0.1, 1: 0.2}, {0: 1.0}), 4)
    assert [trial.number for trial in found.trials] == [1, 3, 2]


def test_of_two_trials_of_one_point_the_better_one_stands_for_it() -> None:
    study = _study()
    add(study, [0.9], {"lr": 0.1})
    found = find_confirmed_best(study, _confirmed({0: 0.5}), 9)
    assert found.trials[0].number == 0
    assert list(found.confirmed) == [0]


def test_a_front_shows_its_confirmed_trials_first() -> None:
    study = make_study("cost", "loss", directions=("minimize", "minimize"))
    for step in range(3):
        add(study, [step, 3.0 - step], {"lr": round(0.1 + step / 10, 1)})
    found = find_confirmed_front(study, _confirmed({2: 0.4}, metrics=("cost", "loss")))
    assert [trial.number for trial in found.trials] == [2, 0, 1]
    assert find_confirmed_best(study, _confirmed({2: 0.4}, metrics=("cost", "loss"))).trials == found.trials
