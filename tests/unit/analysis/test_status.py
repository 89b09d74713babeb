"""How far a study is follows from what is counted."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from hpotool.analysis.best import find_best
from hpotool.analysis.confirmation.answer import answer
from hpotool.analysis.status import (
    StudyStatus,
    TierProgress,
    _count_tiers,
    _follow_best,
    _follow_best_of,
    _follow_long,
    _values_of,
    _with_point,
)
from hpotool.storage.control.activity import StudyActivity
from hpotool.storage.control.studies import StudyProgress, StudySummary
from hpotool.storage.optuna.window import Values
from hpotool.storage.pools.places import Place
from hpotool.study.branch import BRANCH_ATTRIBUTE, Branch
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.confirmation.rounds import Replicate
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.replicates import Measurement
from tests.unit.analysis.studies import add, make_study

COUNTS = st.dictionaries(st.sampled_from(["WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL"]), st.integers(0, 50))


def status(counts: dict[str, int], budget: int | None = None, **progress: Any) -> StudyStatus:
    summary = StudySummary("s", {"loss": "minimize"}, counts)
    made = replace(StudyProgress(summary, "running", "", budget, ()), **progress)
    return StudyStatus(made, find_best(make_study("loss")))


@given(COUNTS, st.none() | st.integers(1, 60), st.integers(0, 5))
def test_what_waits_beyond_the_budget_is_what_it_will_never_claim(
    counts: dict[str, int], budget: int | None, taken: int
) -> None:
    counts["COMPLETE"] = counts.get("COMPLETE", 0) + taken
    found = status(counts, budget, taken_over=taken)
    waiting, running = counts.get("WAITING", 0), counts.get("RUNNING", 0)
    claimable = math.inf if budget is None else max(0, budget - found.progress.finished - running)
    assert found.queued_beyond_budget == waiting - min(waiting, claimable)


@pytest.mark.parametrize(
    ("state", "running", "is_over"),
    [("done", 0, True), ("done", 1, False), ("stopped", 0, True), ("paused", 0, False)],
)
def test_a_study_is_over_when_nothing_runs_any_more(state: str, running: int, is_over: bool) -> None:
    assert status({"RUNNING": running}, state=state).is_over is is_over


def test_a_failed_trial_that_is_tried_again_has_not_failed_for_good() -> None:
    found = replace(status({"FAIL": 5}), activity=StudyActivity(tried_again=2, handed_back=1))
    assert found.failed_for_good == 2
    assert replace(found, activity=StudyActivity(tried_again=9)).failed_for_good == 0


def test_the_data_is_strict_json_with_states_in_their_order() -> None:
    latest = tuple({"trial": number, "outcome": "complete"} for number in range(12))
    found = replace(
        status({"FAIL": 1, "RUNNING": 2, "ODD": 3}),
        activity=StudyActivity(latest=latest),
        latest_values={0: {"loss": math.inf}},
    )
    data = json.loads(json.dumps(found.as_data(), allow_nan=False))
    assert list(data["trials"]) == ["RUNNING", "FAIL"]
    assert len(data["latest"]) == 10
    assert data["latest"][0]["values"] == {"loss": "inf"}
    assert "tiers" not in data
    assert json.loads(json.dumps(replace(found, tiers=(TierProgress(3, 9, 1, 2),)).as_data()))["tiers"] == [
        {"steps": 3, "trials": 9, "finished": 1, "running": 2}
    ]


@given(st.lists(st.tuples(st.floats(-9, 9), st.booleans()), max_size=8), st.sampled_from([1.0, -1.0]))
def test_the_best_so_far_never_gets_worse_and_is_of_feasible_trials(
    points: list[tuple[float, bool]], sign: float
) -> None:
    study = make_study(directions=["minimize" if sign > 0 else "maximize"])
    for value, is_feasible in points:
        add(study, [value], constraints={"c": -1.0 if is_feasible else 1.0})
    add(study, None, state=TrialState.FAIL)
    curve = _follow_best(study.trials, [sign])
    feasible = [value for value, is_feasible in points if is_feasible]
    assert len(curve) == len(feasible)
    assert list(curve) == [min(feasible[: n + 1], key=lambda one: sign * one) for n in range(len(feasible))]


def test_of_several_metrics_none_is_followed() -> None:
    assert _follow_best([], [1.0, -1.0]) == ()


def test_each_tier_counts_its_own_trials() -> None:
    study = make_study()
    branch = Branch(0, 0, 0, 9, tier=1).to_attribute()
    add(study, [0.1])
    add(study, [0.2], state=TrialState.PRUNED)
    add(study, None, state=TrialState.RUNNING, system_attrs={BRANCH_ATTRIBUTE: branch})
    add(study, [0.1], system_attrs={BRANCH_ATTRIBUTE: branch})
    add(study, None, state=TrialState.FAIL)
    tiers = [{"steps": 3, "trials": 9}, {"steps": 9, "trials": 3}]
    assert _count_tiers(tiers, study.trials) == (TierProgress(3, 9, 2, 0), TierProgress(9, 3, 1, 1))
    assert _count_tiers([], study.trials) == ()


def test_what_a_place_allows_is_data_only_where_it_is_limited() -> None:
    place = Place("gpus", "s", 1, 2.0, None, None, False, "running", None, None, 0, 0, 0.0)
    data = replace(status({}), place=place).as_data()["place"]
    assert (data["pool"], data["priority"], data["weight"], data["waits"]) == ("gpus", 1, 2.0, None)
    assert replace(status({}), place=replace(place, pool="", owner="ann")).as_data()["place"]["pool"] is None


@pytest.mark.parametrize(
    ("state", "is_open", "is_over"), [("done", True, False), ("done", False, True), ("stopped", True, True)]
)
def test_a_study_that_is_done_and_confirms_is_not_over(state: str, is_open: bool, is_over: bool) -> None:
    found = status({}, state=state)
    waiting = Replicate(Reevaluation("confirm", "trial 0", 0), 9, "WAITING" if is_open else "COMPLETE")
    asked = answer(Order((Point("trial 0", {"x": 1}, 0),), 1), [waiting], {"loss": "minimize"})
    assert replace(found, confirmation=asked).is_over is is_over


def test_trials_beside_the_search_keep_a_study_from_being_over() -> None:
    found = status({}, state="done")
    summary = replace(found.progress.summary, reevaluations={"RUNNING": 1})
    assert replace(found, progress=replace(found.progress, summary=summary)).is_over is False


def test_an_attempt_of_a_replicate_names_the_point_that_it_confirms() -> None:
    replicate = Replicate(Reevaluation("confirm", "trial 3", 0), 9, "RUNNING")
    assert _with_point({"trial": 9, "host": "a"}, {9: replicate}) == {
        "trial": 9,
        "host": "a",
        "confirms": "trial 3",
    }
    assert _with_point({"trial": 8}, {9: replicate}) == {"trial": 8}


def test_a_replicate_without_a_measurement_has_no_values() -> None:
    running = Replicate(Reevaluation("confirm", "trial 3", 0), 9, "RUNNING")
    assert _values_of(running, ["loss", "ms"]) == {}
    ended = replace(running, state="COMPLETE", measured=Measurement((0.5, 7.0)))
    assert _values_of(ended, ["loss", "ms"]) == {"loss": 0.5, "ms": 7.0}


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_long_study_is_followed_at_some_places_from_its_first_value_to_its_best(sign: float) -> None:
    rng = np.random.default_rng(0)
    numbers = np.arange(10_000)
    values = Values(numbers, numbers, rng.normal(size=(10_000, 1)), rng.uniform(size=10_000) < 0.5)
    followed = _follow_long(values, sign)
    feasible = values.values[values.is_feasible, 0]
    assert len(followed) < 2_000
    assert followed[0] == feasible[0]
    assert followed[-1] == sign * (sign * feasible).min()
    assert [sign * one for one in followed] == sorted((sign * one for one in followed), reverse=True)


def test_a_short_study_is_followed_trial_by_trial_and_one_of_several_metrics_is_not() -> None:
    study = make_study("loss")
    for value in (3.0, 4.0, 1.0):
        add(study, [value])
    assert _follow_best_of(study, study.trials) == (3.0, 3.0, 1.0)
    two = make_study("loss", "ms", directions=["minimize", "minimize"])
    add(two, [1.0, 2.0])
    assert _follow_best_of(two, two.trials) == ()
