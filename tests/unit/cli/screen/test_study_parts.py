"""Every part of the screen can be drawn of every study, at every width, and says nothing that is not so."""

import io
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from hpotool.analysis.best import find_best
from hpotool.analysis.candidates import BestTrials
from hpotool.analysis.results import TrialResult
from hpotool.analysis.status import StudyStatus
from hpotool.cli.screen import study_parts as parts
from hpotool.cli.screen.study_parts import BestLine, Pairs, ProgressLine, place_lines, warning_lines
from hpotool.storage.control.activity import StudyActivity
from hpotool.storage.control.studies import StudyProgress, StudySummary
from hpotool.storage.pools.places import Place
from tests.examples import examples
from tests.unit.analysis.studies import make_study
from tests.unit.cli.screen.test_watch_screen import FOUND

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=timezone.utc)


def drawn(part: Any, width: int = 100) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(part)
    return file.getvalue()


def study(budget: int | None = 60, state: str = "running", metrics: Any = None, **trials: int) -> StudyStatus:
    summary = StudySummary("s", metrics or {"loss": "minimize"}, trials)
    worker = {"id": "w", "host": "h", "pid": 1, "slot": "0", "trial": 1, "last_beat_s": 1.0}
    return StudyStatus(StudyProgress(summary, state, "", budget, (worker,)), BestTrials((), 0, 0))


@given(st.integers(0, 10**12), st.integers(1, 10**12), st.integers(10, 120))
def test_a_bar_is_full_exactly_when_everything_is_finished(finished: int, budget: int, width: int) -> None:
    line = drawn(ProgressLine(finished, budget), width)
    assert f"{finished}/{budget}" in line or width < 40
    if width >= 60:
        assert ("100%" in line) == (finished >= budget)
        assert ("─" not in line) == (finished >= budget)
        assert cell_len(line.rstrip("\n")) <= width


@pytest.mark.parametrize(
    ("finished", "budget", "percent"),
    [
        (0, 0, "0%"),
        (29, 100, "29%"),
        (57, 100, "57%"),
        (9999, 10_000, "99%"),
        (1, 3, "33%"),
        (5, 4, "100%"),
        (0, 7, "0%"),
    ],
)
def test_percents_are_whole_and_never_more_than_is_done(finished: int, budget: int, percent: str) -> None:
    assert f" {percent}" in drawn(ProgressLine(finished, budget))


@pytest.mark.parametrize("budget", [1, 10**6, 10**12, 2**63 - 1])
@pytest.mark.parametrize("cost_s", [1e-6, 30.0, 1e7])
def test_the_pace_of_a_study_of_any_size_is_one_line(budget: int, cost_s: float) -> None:
    found = replace(study(budget), activity=StudyActivity(begun_s=600.0, trial_s=cost_s, cost_s=cost_s))
    line = parts.pace_line(found, NOON)
    assert line is not None
    assert "done in about" in line.plain
    assert "\n" not in line.plain


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=12)), max_size=8), st.integers(10, 80))
def test_pairs_are_all_there_in_order_and_none_is_split(pairs: list[tuple[str, str]], width: int) -> None:
    plain = [("".join(filter(str.isalnum, name)), "".join(filter(str.isalnum, value))) for name, value in pairs]
    lines = drawn(Pairs(plain), width).splitlines()
    fitting = [f"{name} {value}" for name, value in plain if cell_len(name) + cell_len(value) + 1 <= width]
    for pair in fitting:
        assert any(pair.strip() in line for line in lines)


@settings(max_examples=examples(30), deadline=None)
@given(st.lists(st.floats(), max_size=12), st.integers(12, 100))
def test_the_line_of_the_best_fits_whatever_its_history(values: list[float], width: int) -> None:
    for line in drawn(BestLine("best loss 0.25 in trial 3", values), width).splitlines():
        assert cell_len(line) <= width


@pytest.mark.parametrize("metric", ["trial", "outcome", "took", "reason", "retry of", "loss"])
def test_a_metric_with_the_name_of_a_column_keeps_both(metric: str) -> None:
    attempt = {
        "trial": 7,
        "first_trial": 5,
        "outcome": "complete",
        "reason": "fine",
        "host": "h",
        "duration_s": 12.0,
    }
    found = replace(
        study(metrics={metric: "minimize"}, COMPLETE=1),
        activity=StudyActivity(latest=(attempt,)),
        latest_values={7: {metric: 0.125}},
    )
    table = parts.latest_table(found, 5)
    assert table is not None
    [row] = table.rows
    assert (row["trial"], row["outcome"], row["took"], row["reason"]) == (7, "complete", "12 s", "fine")
    assert row[metric if metric == "loss" else f"value_{metric}"] == 0.125
    text = drawn(table)
    assert all(word in text for word in ("7", "complete", "12 s", "fine", "0.125"))


@settings(max_examples=examples(40), deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["complete", "error", "pruned"]), st.floats(-5, 5)), max_size=8),
    st.sampled_from(["minimize", "maximize"]),
)
def test_best_first_is_the_order_of_the_complete_trials_and_the_rest_follow(
    attempts: list[tuple[str, float]], direction: str
) -> None:
    latest = tuple(
        {"trial": n, "first_trial": n, "outcome": outcome, "reason": "", "host": "h", "duration_s": 1.0}
        for n, (outcome, _) in enumerate(attempts)
    )
    found = replace(
        study(metrics={"loss": direction}),
        activity=StudyActivity(latest=latest),
        latest_values={n: {"loss": value} for n, (outcome, value) in enumerate(attempts) if outcome == "complete"},
    )
    table = parts.latest_table(found, 99, best_first=True)
    if table is None:
        assert not attempts
        return
    complete = [value for outcome, value in attempts if outcome == "complete"]
    rows = [row["loss"] for row in table.rows]
    assert rows == sorted(complete, reverse=direction == "maximize") + [None] * (len(attempts) - len(complete))


@pytest.mark.parametrize("name", ["s", "-s", "a b", "it's", "$HOME", "--help"])
def test_the_command_to_start_a_worker_can_be_pasted_for_a_study_of_any_name(name: str) -> None:
    import shlex

    words = shlex.split(parts.start_command(name))
    expected = [f"--study={name}"] if name.startswith("-") else ["--study", name]
    assert words == ["hpotool", "worker", *expected]


@given(st.dictionaries(st.sampled_from(["RUNNING", "WAITING", "COMPLETE", "PRUNED", "FAIL"]), st.integers(0, 99)))
def test_every_state_with_trials_is_counted_and_no_other(counts: dict[str, int]) -> None:
    line = parts.counts_line(study(**counts)).plain
    words = {
        "RUNNING": "running",
        "WAITING": "waiting",
        "COMPLETE": "complete",
        "PRUNED": "pruned",
        "FAIL": "failed",
    }
    for state, word in words.items():
        count = counts.get(state, 0)
        assert (f"{count} {word}" in line) == (count > 0)
    assert (line == "no trials yet") == (not any(counts.values()))


@settings(max_examples=examples(30), deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=6), st.floats(), max_size=4), st.integers(30, 120))
def test_the_best_of_any_parameters_is_drawn_within_the_width(params: dict[str, float], width: int) -> None:
    best = BestTrials((TrialResult(3, {"loss": 0.25}, params, {"mb": -1.0}),), 1, 1)
    found = replace(study(COMPLETE=1), best=best, best_values=(0.5, 0.25))
    for part in parts.best_parts(found):
        text = drawn(part, width)
        assert "\x1b" not in text
        assert max(map(cell_len, text.splitlines()), default=0) <= width


def waiting(name: str, waits: str | None, trial: int | None = None, beat_s: float = 1.0) -> dict[str, Any]:
    return {"id": name, "host": "h", "slot": "gpu 0", "trial": trial, "waits": waits, "last_beat_s": beat_s}


def warned(*workers: dict[str, Any], state: str = "running") -> list[str]:
    found = replace(FOUND, progress=replace(FOUND.progress, workers=workers, state=state, warning=None), risk=None)
    return [line.plain for line in warning_lines(found)]


@pytest.mark.parametrize(
    ("workers", "says"),
    [
        ([waiting("a", None, 3), waiting("b", None)], []),
        ([waiting("a", None, 3), waiting("b", "gpu 0: no\n room")], ["b waits: gpu 0: no room"]),
        ([waiting("a", "hot", 3), waiting("b", "hot")], ["b waits: hot"]),  # a is at work
        ([waiting("a", "hot")], ["no worker can start a trial", "a waits: hot"]),
        (
            [waiting(name, "hot") for name in "abcde"],
            [
                "no worker can start a trial",
                "a waits: hot",
                "b waits: hot",
                "c waits: hot",
                "2 more workers wait",
            ],
        ),
    ],
)
def test_workers_that_wait_say_why(workers: list[dict[str, Any]], says: list[str]) -> None:
    assert warned(*workers) == says


def test_who_is_gone_or_has_nothing_to_do_does_not_wait() -> None:
    [gone] = warned(waiting("a", "hot", beat_s=3600.0), waiting("b", None, 4))
    assert gone.startswith("a is gone")
    assert warned(waiting("a", "hot"), state="paused") == []


PLACE = Place("gpus", "s", 10, 2.5, 4, "ann", True, "running", None, None, 3, 3, 60.0)
OVER = "ann has used 100.00 of 100 GPU-hours of this month"


def said(place: Place | None) -> list[str]:
    progress = StudyProgress(StudySummary("s", {"loss": "minimize"}, {}), "running", "", None, ())
    found = replace(StudyStatus(progress, find_best(make_study("loss"))), place=place)
    return [line.plain for line in place_lines(found)]


def test_a_study_that_shares_nothing_says_nothing() -> None:
    assert said(None) == []


def test_its_share_its_limit_and_its_owner_are_one_line() -> None:
    assert said(PLACE) == ["pool gpus · priority 10 · weight 2.5 · at most 4 running · owner ann"]
    assert said(replace(PLACE, pool="", owner=None)) == ["at most 4 running"]
    assert said(replace(PLACE, max_running=None, owner=None)) == ["pool gpus · priority 10 · weight 2.5"]


def test_why_it_waits_is_another_line() -> None:
    assert said(replace(PLACE, closed_because="quota", quota=OVER))[1:] == [f"the study is over quota: {OVER}"]
    capped = replace(PLACE, closed_because="capped", running=4)
    assert said(capped)[1:] == ["the study has 4 running, as many as max_running allows"]
    assert said(replace(PLACE, closed_because="done"))[1:] == []


def test_the_data_of_the_status_has_the_same() -> None:
    progress = StudyProgress(StudySummary("s", {"loss": "minimize"}, {}), "running", "", None, ())
    found = StudyStatus(progress, find_best(make_study("loss")))
    assert "place" not in found.as_data(), "as before, for those who share nothing"
    data = replace(found, place=replace(PLACE, closed_because="paused")).as_data()["place"]
    assert data == {
        "pool": "gpus",
        "priority": 10,
        "weight": 2.5,
        "max_running": 4,
        "owner": "ann",
        "waits": "is paused",
    }
