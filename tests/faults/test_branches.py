"""Population based training and tiers while workers and Postgres die: every branch once, from its checkpoint."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from hpotool.search.branches.branching import root_of
from hpotool.storage.database.url import DatabaseUrl
from hpotool.study.branch import Branch
from tests.faults.fleet import Fleet, wait_until
from tests.postgres import TestServer

POPULATION = (
    "sampler: {name: pbt, seed: 1, interval: 3, population_size: 4, quantile_fraction: 0.5}\n",
    32,
    {3 * interval for interval in range(1, 20)},
)
TIERS = (
    "sampler: {name: random, seed: 1}\n"
    "tiers: [{trials: 18, steps: 2}, {trials: 6, steps: 5}, {trials: 2, steps: 10}]\n",
    26,
    {2, 5, 10},
)


@pytest.mark.parametrize(("settings", "budget", "steps"), [POPULATION, TIERS], ids=["population", "tiers"])
def test_branches_survive_kills_and_outages(
    own_postgres: TestServer, tmp_path: Path, settings: str, budget: int, steps: set[int]
) -> None:
    url = own_postgres.url("postgres")
    fleet = Fleet(url, tmp_path, budget, objective="tests.faults.branching_objective:objective", settings=settings)
    rng = random.Random(budget)

    def kill_a_worker() -> None:
        wait_until(lambda: _busy_workers(fleet), "a worker to be busy")
        if busy := _busy_workers(fleet):
            rng.choice(busy).kill()

    def restart_postgres() -> None:
        own_postgres.kill()
        own_postgres.start()

    def long_outage() -> None:
        own_postgres.stop()
        time.sleep(2 * fleet.grace_s)
        own_postgres.start()

    blows = [kill_a_worker, kill_a_worker, restart_postgres, kill_a_worker, long_outage, kill_a_worker]
    try:
        for count, strike in enumerate(blows, start=1):
            fleet.keep_up(4)
            enough = 3 * count
            wait_until(lambda: _count_complete(fleet) > enough, "some progress")  # noqa: B023  (used at once)
            strike()
        while not fleet.is_done():
            fleet.keep_up(4)
            wait_until(lambda: fleet.is_done() or len(fleet.living()) < 4, "the study to be done")
        fleet.check(is_value_safe=False)  # a worker may be killed just before a value is on its disk
        trials = _trials(url)
    finally:
        fleet.close()

    complete = {trial.number: trial for trial in trials if trial.state == TrialState.COMPLETE}
    assert any(trial.state == TrialState.FAIL for trial in trials), "nothing was killed"
    successors = Counter(
        branch.predecessor for trial in complete.values() if (branch := Branch.of(trial.system_attrs))
    )
    assert set(successors.values()) == {1}
    # The value of a worker that dies right after its objective returned is kept; what else it had to say is not.
    records = {number: trial.user_attrs.get("trained") for number, trial in complete.items()}
    assert sum(record is not None for record in records.values()) >= budget - 6
    assert {len(record) for record in records.values() if record is not None} <= steps
    for number, record in records.items():
        if record is not None:
            _check_record(record, complete[number], complete, records)


def _check_record(
    record: list[float],
    trial: FrozenTrial,
    complete: Mapping[int, FrozenTrial],
    records: Mapping[int, list[float] | None],
) -> None:
    """The trial was trained with what its source was trained with, and then with its own parameters."""
    branch = Branch.of(trial.system_attrs)
    if branch is None:
        assert set(record) == {trial.params["x"]}
        return
    assert len(record) == branch.steps
    assert root_of(complete[branch.source]) == branch.source_root
    before = records[branch.source]
    if before is not None:
        assert record == before + [trial.params["x"]] * (branch.steps - len(before))


def _count_complete(fleet: Fleet) -> int:
    return list(fleet.states().values()).count("COMPLETE")


def _busy_workers(fleet: Fleet) -> list[subprocess.Popen[bytes]]:
    rows = fleet.connection.run("SELECT pid FROM hpotool.attempts WHERE ended_at IS NULL")
    return [process for process in fleet.living() if (process.pid,) in rows]


def _trials(url: str) -> list[FrozenTrial]:
    storage = optuna.storages.RDBStorage(DatabaseUrl.parse(url).sqlalchemy)
    trials = optuna.load_study(study_name="s", storage=storage).get_trials(deepcopy=False)
    storage.engine.dispose()
    return trials
