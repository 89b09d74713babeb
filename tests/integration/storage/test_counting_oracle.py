"""Numbers that SQL counts over a whole study, beside the same numbers counted in Python over the same rows."""

from __future__ import annotations

import math
import random
import statistics
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from optuna.trial import TrialState

from hpotool.storage.control.orders import count_budget
from hpotool.storage.control.studies import list_studies
from hpotool.storage.database.queries import query
from hpotool.storage.fleet.usage import UsageReader
from hpotool.study.rules.budget import FinishedTrial, Progress, advance
from hpotool.study.spec import BudgetSpec, MetricSpec

LOSS = (MetricSpec("loss", "minimize"),)
STATES = ["COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING"]
ATTEMPT = """
INSERT INTO hpotool.attempts (attempt_id, study_id, trial_id, number, root_number, worker_id, host, pid, slot,
    started_at, ended_at, outcome)
VALUES (%s, %s, 1, 0, 0, %s, 'h', 1, 'cpu', %s, %s, 'complete')
"""


def _fill(study: Any, chance: random.Random, count: int) -> list[tuple[str, str]]:
    """Trials in any state, some beside the search; return state and phase of each."""
    made = []
    mark = "INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (%s, 'hpotool:phase', %s)"
    for number in range(count):
        state, phase = chance.choice(STATES), chance.choice(["search", "search", "search", "confirm", "final"])
        [(trial_id,)] = study.connection.run(
            "INSERT INTO trials (study_id, number, state) VALUES (%s, %s, %s) RETURNING trial_id",
            (study.study_id, number, state),
        )
        if phase != "search":
            study.connection.run(mark, (trial_id, f'{{"phase": "{phase}", "point": "p", "replicate": {number}}}'))
            study.connection.run(
                "UPDATE hpotool.study_settings SET apart_from_id = LEAST(apart_from_id, %s) WHERE study_id = %s",
                (trial_id, study.study_id),
            )
        made.append((state, phase))
    return made


@pytest.mark.parametrize("seed", range(6))
def test_places_of_the_budget_are_those_of_the_search(make_study: Callable[..., Any], seed: int) -> None:
    studies = [make_study() for _ in range(2)]
    for which, study in enumerate(studies):
        trials = _fill(study, random.Random(seed * 2 + which), 40 * which + 10)
        search = Counter(state for state, phase in trials if phase == "search")
        counted = count_budget(study.connection.run, study.study_id)
        assert counted.finished == search["COMPLETE"] + search["PRUNED"]
        assert (counted.running, counted.waiting, counted.failed) == (
            search["RUNNING"], search["WAITING"], search["FAIL"],
        )  # fmt: skip
        confirms = Counter(state for state, phase in trials if phase == "confirm")
        assert counted.open_replicates == confirms["RUNNING"] + confirms["WAITING"]
        [summary] = list_studies(study.connection, study.optuna.study_name)
        assert summary.trials == search
        assert Counter(summary.reevaluations) == Counter(state for state, phase in trials if phase != "search")


@pytest.mark.parametrize("settled", [0, 3, 17])
def test_failures_that_are_settled_are_counted_without_being_read(
    make_study: Callable[..., Any], settled: int
) -> None:
    study = make_study()
    trials = _fill(study, random.Random(5), 40)
    first_open = next(number for number, (state, _) in enumerate(trials) if state in ("RUNNING", "WAITING"))
    settled = min(settled, first_open)
    failed = sum(state == "FAIL" for state, _ in trials[:settled])
    before = count_budget(study.connection.run, study.study_id)
    study.connection.run(
        "UPDATE hpotool.study_settings SET settled_below = %s, failed_below = %s WHERE study_id = %s",
        (settled, failed, study.study_id),
    )
    assert count_budget(study.connection.run, study.study_id) == before


@pytest.mark.parametrize("seed", range(6))
def test_progress_is_what_the_finished_trials_say_in_any_order_of_reading(
    make_study: Callable[..., Any], seed: int
) -> None:
    """Read after every few trials by one reader, and all at once by another one."""
    study, chance = make_study(), random.Random(seed)
    step_by_step = UsageReader(study.connection.run, study.study_id, LOSS)
    expected, open_trials = Progress(), list[Any]()
    for _ in range(40):
        if open_trials and chance.random() < 0.6:
            trial = open_trials.pop(chance.randrange(len(open_trials)))
            value = chance.choice([0.5, 1.0, 2.0, math.inf, None, "fail"])
            if value == "fail":
                study.optuna.tell(trial, state=TrialState.FAIL)
                continue
            if value is None:
                trial.report(1.0, 0)
                study.optuna.tell(trial, state=TrialState.PRUNED)
            else:
                study.optuna.tell(trial, value)
            expected = advance(expected, FinishedTrial(None if value is None else (value,)), LOSS)
        else:
            open_trials.append(study.optuna.ask())
        if chance.random() < 0.5:
            assert step_by_step.read(BudgetSpec(patience=99)).progress == expected
    at_once = UsageReader(study.connection.run, study.study_id, LOSS).read(BudgetSpec(patience=99))
    assert at_once.progress == step_by_step.read(BudgetSpec(patience=99)).progress == expected


def _quantile(values: list[float], share: float) -> float:
    place = share * (len(values) - 1)
    low, high = math.floor(place), math.ceil(place)
    ordered = sorted(values)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@pytest.mark.parametrize("seed", range(4))
def test_pauses_of_workers_are_summed_up_as_python_does(make_study: Callable[..., Any], seed: int) -> None:
    study, chance = make_study(), random.Random(seed)
    [(now,)] = study.connection.run("SELECT clock_timestamp()")
    now, window = now.astimezone(timezone.utc), 600.0
    edge, pauses = now - timedelta(seconds=window), list[float]()
    for _ in range(4):
        worker, moment, attempts = study.worker(), now - timedelta(seconds=1500), []
        while moment < now - timedelta(seconds=60):
            started = moment + timedelta(seconds=chance.choice([-0.5, 0.0, 0.1, 3.0, 30.0]))  # clocks may overlap
            if abs((started - edge).total_seconds()) < 20:
                started += timedelta(seconds=45)
            moment = max(started, moment) + timedelta(seconds=chance.uniform(5, 90))
            study.connection.run(ATTEMPT, (str(uuid.uuid4()), study.study_id, worker.worker_id, started, moment))
            attempts.append((started, moment))
        within = [attempt for attempt in attempts if attempt[0] > edge]
        pauses += [max(0.0, (begun - free).total_seconds()) for (_, free), (begun, _) in pairwise(within)]
    rows = study.connection.run(query("gauge_claims"), {"quantiles": [0.5, 0.95], "window_s": window})
    [(study_id, (median, high), count, total)] = rows
    assert (study_id, count) == (study.study_id, len(pauses))
    assert median == pytest.approx(statistics.median(pauses))
    assert high == pytest.approx(_quantile(pauses, 0.95))
    assert total == pytest.approx(sum(pauses))


@pytest.mark.parametrize("seed", range(4))
def test_attempts_are_summed_up_by_study_outcome_and_slot(make_study: Callable[..., Any], seed: int) -> None:
    studies, chance = [make_study() for _ in range(2)], random.Random(seed)
    seconds: dict[tuple[int, str, str], list[float]] = defaultdict(list)
    run = studies[0].connection.run
    begin = datetime(2026, 1, 1, tzinfo=timezone.utc)
    for _ in range(50):
        study = chance.choice(studies)
        outcome, slot, lasts = (
            chance.choice(["complete", "error"]),
            chance.choice(["cpu", "gpu 0"]),
            chance.random(),
        )
        attempt_id = str(uuid.uuid4())
        run(ATTEMPT, (attempt_id, study.study_id, "w", begin, begin + timedelta(seconds=lasts)))
        change = "UPDATE hpotool.attempts SET outcome = %s, slot = %s WHERE attempt_id = %s"
        run(change, (outcome, slot, attempt_id))
        seconds[study.study_id, outcome, slot].append(lasts)
    run(ATTEMPT, (str(uuid.uuid4()), studies[0].study_id, "w", begin, None))
    found = {row[:3]: row[3:5] for row in run(query("gauge_attempts"), {})}
    assert found.keys() == seconds.keys(), "one that runs is not among them"
    for key, (count, total) in found.items():
        assert count == len(seconds[key])
        assert total == pytest.approx(sum(seconds[key]), abs=1e-4 * count)


def test_only_failures_that_nothing_followed_count_against_the_limit(make_study: Callable[..., Any]) -> None:
    study = make_study()
    trials = _fill(study, random.Random(11), 40)
    ids = dict(study.connection.run("SELECT number, trial_id FROM trials"))
    failed = [number for number, (state, phase) in enumerate(trials) if state == "FAIL" and phase == "search"]
    retried = failed[::2]
    for successor, number in enumerate(retried):
        study.connection.run(
            "INSERT INTO hpotool.retries (trial_id, study_id, root_number, previous_trial_id, is_counted) "
            "VALUES (%s, %s, %s, %s, true)",
            (10**6 + successor, study.study_id, number, ids[number]),
        )
    budget = replace(BudgetSpec(), failed=99)
    usage = UsageReader(study.connection.run, study.study_id, LOSS).read(budget)
    assert usage.failed == len(failed) - len(retried)
