"""A pool keeps what it promises while its workers are killed and Postgres is restarted."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hpotool.errors import DatabaseUnreachableError
from hpotool.storage.database.schema import ensure_schema
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.pools.accounts import list_quotas, remove_quota, set_quota
from hpotool.storage.pools.places import read_place
from tests.faults.fleet import wait_until
from tests.faults.pool_fleet import PoolFleet
from tests.postgres import TestServer

WORKERS = 8
BUDGETS = {"first": 100, "owned": 40, "one": 60, "two": 120, "three": 180}
WEIGHTS = {"one": 1, "two": 2, "three": 3}
QUOTA = timedelta(seconds=1.5)


@pytest.fixture
def fleet(own_postgres: TestServer, tmp_path: Path) -> Iterator[PoolFleet]:
    own_postgres.run('CREATE DATABASE "pool"')
    url = own_postgres.url("pool")
    ensure_schema(DatabaseUrl.parse(url))
    found = PoolFleet(url, tmp_path)
    yield found
    found.close()


def test_five_studies_get_their_shares_within_quotas_and_budgets_under_kills(
    fleet: PoolFleet, own_postgres: TestServer
) -> None:
    fleet.add("first", "priority: 10\nmax_running: 2\nbudget: {trials: 100}\n")
    fleet.add("owned", "priority: 5\nowner: ann\nbudget: {trials: 40}\n")
    for name, weight in WEIGHTS.items():
        fleet.add(name, f"weight: {weight}\nbudget: {{trials: {BUDGETS[name]}}}\n")
    set_quota(fleet.connection.run, "ann", "month", QUOTA.total_seconds() / 3600, "test")
    fleet.keep_up(WORKERS)
    chance = random.Random(1)
    for number in range(10, 100, 15):  # at every fifteenth finished trial of the slowest, something happens
        _wait(fleet, lambda number=number: fleet.finished("one") >= min(number, 55))
        victim = chance.choice(fleet.living())
        victim.send_signal(chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        if number == 40:
            own_postgres.kill()
            own_postgres.start()
        _wait(fleet, lambda: _has_no_gap(fleet))
    place = read_place(fleet.connection.run, 60.0, "owned")
    assert place is not None
    assert place.closed_because == "quota", "what waits says why"
    [quota] = list_quotas(fleet.connection.run)
    assert quota.is_used_up
    before = datetime.now().astimezone()
    remove_quota(fleet.connection.run, "ann")
    _wait(fleet, lambda: all(fleet.finished(name) >= budget for name, budget in BUDGETS.items()))
    wait_until(lambda: not fleet.living(), "the workers to leave a pool that is done")
    attempts = _attempts(fleet)
    _check_budgets(fleet)
    _check_shares(attempts)
    _check_quota([one for one in attempts["owned"] if one[0] < before])
    assert _most_at_once(attempts["first"]) <= 2
    assert "every study of pool p is done or stopped" in fleet.log()


def _wait(fleet: PoolFleet, is_true: Any) -> None:
    def reached() -> bool:
        fleet.keep_up(WORKERS)
        try:
            return bool(is_true())
        except DatabaseUnreachableError:
            return False

    try:
        wait_until(reached, "the next trials of the pool", 150)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{fleet.log()}") from None


def _has_no_gap(fleet: PoolFleet) -> bool:
    """Whether every attempt that is open has a worker that lives."""
    return not fleet.ask(
        "SELECT count(*) FROM hpotool.attempts WHERE ended_at IS NULL AND pid <> ALL(%s)",
        [process.pid for process in fleet.living()],
    )


def _attempts(fleet: PoolFleet) -> dict[str, list[tuple[datetime, datetime, str]]]:
    """Beginning, end and outcome of every attempt, by study."""
    rows = fleet.connection.run(
        "SELECT study_name, started_at, ended_at, outcome FROM hpotool.attempts JOIN studies USING (study_id) "
        "ORDER BY started_at"
    )
    return {name: [row[1:] for row in rows if row[0] == name] for name in BUDGETS}


def _check_budgets(fleet: PoolFleet) -> None:
    for name, budget in BUDGETS.items():
        trials = fleet.connection.run(
            "SELECT number, state::text, (SELECT value FROM trial_values v WHERE v.trial_id = t.trial_id) "
            "FROM trials t JOIN studies USING (study_id) WHERE study_name = %s ORDER BY number",
            (name,),
        )
        states = [state for _, state, _ in trials]
        assert states.count("COMPLETE") == budget, name
        assert set(states) <= {"COMPLETE", "FAIL"}, name
        assert [number for number, *_ in trials] == list(range(len(trials))), name
        kept = {value for _, state, value in trials if state == "COMPLETE"}
        returned = (fleet.folder / f"returned-{name}").read_text().split("\n")[:-1]
        assert kept <= {float(line.split()[1]) for line in returned}, f"{name}: what is there was returned"
    assert fleet.ask("SELECT count(*) FROM hpotool.attempts WHERE ended_at IS NULL") == 0
    assert fleet.ask("SELECT count(*) FROM hpotool.owner_running") == 0


def _check_shares(attempts: dict[str, list[tuple[datetime, datetime, str]]]) -> None:
    """Until the first of them had nothing left, each of the three had its share of the time that the three had."""
    until = min(max(began for began, _, _ in attempts[name]) for name in WEIGHTS)
    spent = {
        name: [
            (ended - began).total_seconds()
            for began, ended, outcome in attempts[name]
            if began <= until and outcome == "complete"
        ]
        for name in WEIGHTS
    }
    total, longest = sum(map(sum, spent.values())), max(map(max, spent.values()))
    for name, weight in WEIGHTS.items():
        asked = weight / sum(WEIGHTS.values()) * total
        # A place is given for whole trials: what runs at the end may still be too much or too little.
        assert abs(sum(spent[name]) - asked) <= 0.1 * asked + 2 * longest, (name, asked, spent)


def _check_quota(attempts: list[tuple[datetime, datetime, str]]) -> None:
    """No attempt began when the quota was used up: it is exceeded by no more than what ran at that moment."""
    for began, _, _ in attempts:
        used = sum((max(timedelta(), min(ended, began) - start) for start, ended, _ in attempts), timedelta())
        assert used < QUOTA + timedelta(milliseconds=200), (began, used)


def _most_at_once(attempts: list[tuple[datetime, datetime, str]]) -> int:
    return max(sum(start <= began < ended for start, ended, _ in attempts) for began, _, _ in attempts)


def test_a_preempting_study_gets_places_and_the_others_go_on_from_their_checkpoints(fleet: PoolFleet) -> None:
    fleet.add("low", "budget: {trials: 2}\n", "long", isolation="process")
    fleet.keep_up(2)
    _wait_for(fleet, "SELECT count(*) = 2 FROM hpotool.attempts WHERE has_checkpoint AND ended_at IS NULL")
    fleet.add("high", "priority: 5\npreempt: true\nbudget: {trials: 2}\n", isolation="process")
    wait_until(lambda: fleet.finished("high") == 2, "the study that goes first", 100)
    wait_until(lambda: fleet.finished("low") == 2, "the others to go on", 100)
    resumed = [line.split() for line in (fleet.folder / "resumed").read_text().splitlines()]
    assert len(resumed) == 2
    assert all(int(steps) > 0 for _, steps in resumed)
    assert fleet.connection.run(
        "SELECT outcome, reason, count(*) FROM hpotool.attempts JOIN studies USING (study_id) "
        "WHERE study_name = 'low' AND outcome <> 'complete' GROUP BY 1, 2"
    ) == [("preempted", "its place is for study high, which goes first", 2)]
    assert fleet.ask("SELECT count(*) FROM hpotool.retries WHERE is_counted") == 0
    wait_until(lambda: not fleet.living(), "the workers to leave")


def test_a_stopped_study_costs_a_pools_worker_its_trial_and_nothing_else(fleet: PoolFleet) -> None:
    from hpotool.storage.control.orders import set_state

    fleet.add("low", "priority: 1\nbudget: {trials: 1}\n", "long", isolation="process")
    fleet.add("next", "budget: {trials: 2}\n")
    [worker] = [fleet.start_worker()]
    _wait_for(fleet, "SELECT count(*) = 1 FROM hpotool.attempts WHERE has_checkpoint")
    study_id = fleet.ask("SELECT study_id FROM studies WHERE study_name = 'low'")
    set_state(fleet.connection.run, study_id, "stopped", "enough", "test")
    wait_until(lambda: fleet.finished("next") == 2, "the worker to go on with the other study", 60)
    wait_until(lambda: worker.poll() == 0, "the worker to leave when both are over", 60)
    assert fleet.ask("SELECT outcome FROM hpotool.attempts WHERE study_id = %s", study_id) == "preempted"


def test_a_signal_hands_the_trial_back_and_says_whether_there_is_more_to_do(fleet: PoolFleet) -> None:
    fleet.add("low", "budget: {trials: 1}\n", "long", isolation="process")
    worker = fleet.start_worker()
    _wait_for(fleet, "SELECT count(*) = 1 FROM hpotool.attempts WHERE has_checkpoint")
    worker.send_signal(signal.SIGTERM)
    wait_until(lambda: worker.poll() is not None, "the worker to leave", 60)
    assert worker.returncode == 75, "whoever sent it starts it again"
    assert fleet.ask("SELECT outcome FROM hpotool.attempts") == "preempted"
    wait_until(lambda: (fleet.keep_up(1), fleet.finished("low") == 1)[1], "the next one to go on", 60)
    assert (fleet.folder / "resumed").exists()


def _wait_for(fleet: PoolFleet, statement: str) -> None:
    try:
        wait_until(lambda: fleet.ask(statement), statement, 100)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{fleet.log()}") from None
