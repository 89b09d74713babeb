"""Population based training and tiers under kill -9: every branch once, from the checkpoint that it names."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from hpotool.search.branching import branch_of, root_of
from hpotool.storage.url import DatabaseUrl
from tests.faults.fleet import Fleet, wait_until

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
def test_branches_survive_kills(
    study_database_url: str, tmp_path: Path, settings: str, budget: int, steps: set[int]
) -> None:
    fleet = Fleet(
        study_database_url,
        tmp_path,
        budget,
        objective="tests.faults.branching_objective:objective",
        settings=settings,
    )
    try:
        rng = random.Random(budget)
        for kills in range(1, 7):
            fleet.keep_up(4)
            wait_until(lambda: fleet.is_done() or "COMPLETE" in _states_after(fleet, 3 * kills), "some progress")  # noqa: B023
            if living := fleet.living():
                rng.choice(living).kill()
        while not fleet.is_done():
            fleet.keep_up(4)
            wait_until(lambda: fleet.is_done() or len(fleet.living()) < 4, "the study to be done")
        fleet.check()
        trials = _trials(study_database_url)
    finally:
        fleet.close()

    complete = {trial.number: trial for trial in trials if trial.state == TrialState.COMPLETE}
    assert any(trial.state == TrialState.FAIL for trial in trials), "nothing was killed"
    successors = Counter(branch.predecessor for trial in complete.values() if (branch := branch_of(trial)))
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
    branch = branch_of(trial)
    if branch is None:
        assert set(record) == {trial.params["x"]}
        return
    assert len(record) == branch.steps
    assert root_of(complete[branch.source]) == branch.source_root
    before = records[branch.source]
    if before is not None:
        assert record == before + [trial.params["x"]] * (branch.steps - len(before))


def _states_after(fleet: Fleet, count: int) -> list[str]:
    """The states of finished trials from the ``count``-th on."""
    finished = [state for state in fleet.states().values() if state == "COMPLETE"]
    return finished[count:]


def _trials(url: str) -> list[FrozenTrial]:
    storage = optuna.storages.RDBStorage(DatabaseUrl.parse(url).sqlalchemy)
    trials = optuna.load_study(study_name="s", storage=storage).get_trials(deepcopy=False)
    storage.engine.dispose()
    return trials
