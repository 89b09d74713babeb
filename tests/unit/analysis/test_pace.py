from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.analysis.pace import find_workers, is_forsaken, judge_presence, measure_pace
from hpotool.storage.control.activity import StudyActivity
from hpotool.storage.control.studies import StudyProgress, StudySummary


def worker(name: str, beat_s: float = 1.0, trial: int | None = None) -> dict[str, Any]:
    return {"id": name, "host": "here", "pid": 1, "slot": "cpu", "trial": trial, "last_beat_s": beat_s}


def progress(
    *workers: dict[str, Any], state: str = "running", budget: int | None = 60, **trials: int
) -> StudyProgress:
    return StudyProgress(StudySummary("s", {"loss": "minimize"}, trials), state, "", budget, workers)


@pytest.mark.parametrize(
    ("beat_s", "presence"), [(0, "alive"), (20, "alive"), (21, "silent"), (60, "silent"), (61, "gone")]
)
def test_a_worker_is_alive_then_silent_then_gone(beat_s: float, presence: str) -> None:
    assert judge_presence(beat_s) == presence


def test_the_time_left_follows_from_what_a_trial_costs_and_who_is_alive() -> None:
    activity = StudyActivity(begun_s=600, idle_s=3, trial_s=20, cost_s=30)
    pace = measure_pace(progress(worker("a"), worker("b"), worker("c", 999), COMPLETE=40), activity)
    assert (pace.elapsed_s, pace.trial_s, pace.trials_per_hour, pace.left_s) == (600, 20, 240, 300)


@pytest.mark.parametrize("state", ["paused", "draining"])
def test_nobody_knows_when_a_paused_study_is_done(state: str) -> None:
    pace = measure_pace(progress(worker("a"), state=state), StudyActivity(begun_s=9, cost_s=1))
    assert pace.trials_per_hour is pace.left_s is None


def test_a_study_without_workers_or_without_a_limit_has_no_end() -> None:
    activity = StudyActivity(begun_s=9, cost_s=1)
    assert measure_pace(progress(worker("a", 999)), activity).left_s is None
    unlimited = measure_pace(progress(worker("a"), budget=None), activity)
    assert (unlimited.trials_per_hour, unlimited.left_s) == (3600, None)


def test_the_clock_of_a_study_that_is_over_stands() -> None:
    pace = measure_pace(progress(state="done", COMPLETE=60), StudyActivity(begun_s=4000, idle_s=400, trial_s=2))
    assert (pace.elapsed_s, pace.trials_per_hour, pace.left_s) == (3600, 60, None)


def test_what_has_not_begun_has_no_pace() -> None:
    pace = measure_pace(progress(), StudyActivity(made_s=99))
    assert (pace.elapsed_s, pace.trial_s, pace.trials_per_hour, pace.left_s) == (None, None, None, None)


def test_a_running_study_is_forsaken_when_all_its_workers_are_gone() -> None:
    assert is_forsaken(progress())
    assert is_forsaken(progress(worker("a", 999, trial=3), RUNNING=1))
    assert not is_forsaken(progress(worker("a", 30)))
    assert not is_forsaken(replace(progress(), pool_workers=1)), "a worker of its pool may turn to it"
    assert not is_forsaken(progress(state="paused"))


def test_a_trial_that_plain_optuna_runs_is_somebodys() -> None:
    assert not is_forsaken(progress(RUNNING=1))


def test_a_worker_has_the_step_of_its_trial() -> None:
    [found] = find_workers(progress(worker("a", 25, trial=3)), StudyActivity(steps={"a": 12}))
    assert (found["step"], found["state"], found["trial"]) == (12, "silent", 3)


AGES = st.none() | st.floats(0, 1e9)
WORKERS = st.lists(st.tuples(st.floats(0, 200), st.booleans()), max_size=5)
STATES = st.sampled_from(["running", "paused", "draining", "stopped", "done"])


def made(workers: list[tuple[float, bool]], state: str, budget: int | None, **trials: int) -> StudyProgress:
    named = [worker(f"w{n}", beat, n if busy else None) for n, (beat, busy) in enumerate(workers)]
    return progress(*named, state=state, budget=budget, **trials)


@given(WORKERS, STATES, st.none() | st.integers(0, 100), st.integers(0, 100), AGES, AGES, AGES, AGES)
def test_no_figure_of_a_pace_is_negative_and_the_rest_follows_from_the_rate(
    workers: list[tuple[float, bool]],
    state: str,
    budget: int | None,
    complete: int,
    begun_s: float | None,
    idle_s: float | None,
    trial_s: float | None,
    cost_s: float | None,
) -> None:
    activity = StudyActivity(begun_s=begun_s, idle_s=idle_s, trial_s=trial_s, cost_s=cost_s)
    found = measure_pace(made(workers, state, budget, COMPLETE=complete), activity)
    figures = (found.elapsed_s, found.trial_s, found.trials_per_hour, found.left_s)
    assert all(figure is None or figure >= 0 for figure in figures)
    alive = sum(beat <= 20 for beat, _ in workers)
    if state == "running" and begun_s is not None and cost_s and alive:
        assert found.trials_per_hour == pytest.approx(3600 * alive / cost_s)
        if budget is not None:
            assert found.left_s == pytest.approx(max(0, budget - complete) * cost_s / alive)
    elif state not in ("done", "stopped"):
        assert found.trials_per_hour is None
        assert found.left_s is None


@given(WORKERS, STATES, st.integers(0, 6))
def test_a_study_is_forsaken_only_if_it_runs_and_everybody_is_gone(
    workers: list[tuple[float, bool]], state: str, running: int
) -> None:
    found = is_forsaken(made(workers, state, 60, RUNNING=running))
    gone = all(beat > 60 for beat, _ in workers)
    held = sum(busy for _, busy in workers)
    assert found == (state == "running" and gone and running <= held)


@given(WORKERS)
def test_each_worker_is_shown_once_with_its_presence(workers: list[tuple[float, bool]]) -> None:
    shown = find_workers(made(workers, "running", None), StudyActivity(steps={"w0": 7}))
    assert [one["id"] for one in shown] == [f"w{n}" for n in range(len(workers))]
    assert [one["state"] for one in shown] == [judge_presence(beat) for beat, _ in workers]
    assert [one["step"] for one in shown] == [7, *[None] * len(workers)][: len(workers)]


@pytest.mark.parametrize("idle_s", [None, 0.0, 9.0, 100.0])
def test_a_study_that_ended_as_soon_as_it_began_took_no_time_and_has_no_rate(idle_s: float | None) -> None:
    found = measure_pace(progress(state="stopped"), StudyActivity(begun_s=9.0, idle_s=idle_s))
    assert found.elapsed_s == max(0.0, 9.0 - (idle_s or 0.0))
    assert (found.trials_per_hour is None) == (found.elapsed_s == 0)
