"""Whole trials, written thousands at a time, are read by Optuna as what they were."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from hpotool.errors import InputError
from hpotool.storage.control.orders import count_budget
from hpotool.storage.database.connection import Connection
from hpotool.storage.fleet.attempts import Attempt
from hpotool.storage.moving.write import MARK, write_trials
from hpotool.storage.optuna.postgres import PostgresStorage

SPACE = {
    "lr": FloatDistribution(1e-5, 1, log=True), "depth": IntDistribution(1, 9, step=2),
    "kind": CategoricalDistribution(["a", None, 3, True, "ü 'q'"]), "x y": FloatDistribution(-1, 1, step=0.25),
}  # fmt: skip
VALUES = [0.5, -1e308, math.inf, -math.inf, 5e-324, 0.0]
TEXTS = ["", "a 'quote' and a \\ backslash", "ü€😀", "NULL", "{}", "line\nbreak"]


def _trial(chance: random.Random, number: int) -> FrozenTrial:
    state = chance.choice(list(TrialState))
    start = None if state is TrialState.WAITING else datetime(2026, 3, 29, 1, 59, 59, 999_999)  # noqa: DTZ001
    end = None if start is None or not state.is_finished() else start + timedelta(seconds=chance.random() * 9e4)
    names = [name for name in SPACE if chance.random() < 0.7]
    params: dict[str, Any] = {}
    for name in names:
        kind = SPACE[name]
        if isinstance(kind, CategoricalDistribution):
            params[name] = chance.choice(kind.choices)
        else:
            params[name] = kind.to_external_repr(kind.to_internal_repr(chance.choice([kind.low, kind.high])))
    complete = state is TrialState.COMPLETE
    return FrozenTrial(
        number=number, trial_id=-1, state=state, value=None, values=[chance.choice(VALUES)] if complete else None,
        datetime_start=start, datetime_complete=end, params=params,
        distributions={name: SPACE[name] for name in names},
        user_attrs={chance.choice(TEXTS) or "k": chance.choice([1, None, [TEXTS], {"a": math.pi}, True])},
        system_attrs={f"s{chance.randrange(3)}": chance.choice(TEXTS)},
        intermediate_values={step: chance.choice([*VALUES, math.nan]) for step in chance.sample(range(50), 3)},
    )  # fmt: skip


def _facts(trial: FrozenTrial) -> dict[str, Any]:
    state = TrialState.FAIL if trial.state is TrialState.RUNNING else trial.state
    return {
        "number": trial.number, "state": state, "values": trial.values, "start": trial.datetime_start,
        "end": trial.datetime_complete, "params": trial.params, "distributions": trial.distributions,
        "user": trial.user_attrs, "system": trial.system_attrs,
        "steps": {step: str(value) for step, value in trial.intermediate_values.items()},
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_trials_are_read_by_optuna_as_what_they_were(make_study: Callable[..., Any], seed: int) -> None:
    study = make_study()
    chance = random.Random(seed)
    trials = [_trial(chance, number) for number in range(60)]
    write_trials(study.connection, study.study_id, trials[:25])
    ids = write_trials(study.connection, study.study_id, trials[25:])
    assert ids == sorted(ids)
    fresh = optuna.load_study(
        study_name=study.optuna.study_name, storage=optuna.storages.RDBStorage(study.url.sqlalchemy)
    )
    expected = [_facts(trial) for trial in trials]
    assert [_facts(trial) for trial in fresh.trials] == expected
    ours = optuna.load_study(study_name=study.optuna.study_name, storage=PostgresStorage(study.url))
    assert [_facts(trial) for trial in ours.get_trials()] == expected


def test_numbers_go_on_where_the_study_is(make_study: Callable[..., Any]) -> None:
    study = make_study(budget=9)
    claimed = study.claim(study.worker())
    assert isinstance(claimed, Attempt)
    trials = [_trial(random.Random(number), number) for number in range(3)]
    write_trials(study.connection, study.study_id, trials)
    assert [trial.number for trial in study.optuna.get_trials(deepcopy=False)] == [0, 1, 2, 3]
    assert study.optuna.trials[0].state is TrialState.RUNNING
    assert write_trials(study.connection, study.study_id, []) == []


def test_of_two_imports_from_one_mark_one_writes(make_study: Callable[..., Any]) -> None:
    study = make_study()
    marks = [json.dumps({"source": "x", "study": "s", "trials": count}) for count in (0, 5)]
    study.connection.run(
        "INSERT INTO study_system_attributes (study_id, key, value_json) VALUES (%s, %s, %s)",
        (study.study_id, MARK, marks[0]),
    )
    trials = [_trial(random.Random(number), number) for number in range(5)]

    def write(_: int) -> int:
        connection = Connection(study.url)
        try:
            return len(write_trials(connection, study.study_id, trials, marks[0], marks[1]))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(write, range(4))) == [0, 0, 0, 5]
    [(mark,)] = study.connection.run("SELECT value_json FROM study_system_attributes WHERE key = %s", (MARK,))
    assert mark == marks[1]
    assert len(study.optuna.trials) == 5


def test_a_marked_trial_of_another_study_is_a_reevaluation_here_too(make_study: Callable[..., Any]) -> None:
    study = make_study(budget=4)
    mark = {"hpotool:phase": {"phase": "confirm", "point": "trial 0", "replicate": 0}}
    trials = [
        optuna.trial.create_trial(value=1.0), optuna.trial.create_trial(value=2.0, system_attrs=mark),
        optuna.trial.create_trial(state=TrialState.WAITING, system_attrs=mark),
    ]  # fmt: skip
    write_trials(study.connection, study.study_id, trials)
    counted = count_budget(study.connection.run, study.study_id)
    assert (counted.finished, counted.waiting, counted.open_replicates) == (1, 0, 1)
    claimed = study.claim(study.worker())
    assert isinstance(claimed, Attempt)
    assert claimed.number == 2, "it waits for a worker, as it did there"


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_database_takes_is_refused_and_nothing_is_written(
    make_study: Callable[..., Any], name: str
) -> None:
    study = make_study()
    good, bad = optuna.trial.create_trial(value=1.0), optuna.trial.create_trial(value=1.0, user_attrs={name: 1})
    with pytest.raises(InputError, match="cannot be stored") as error:
        write_trials(study.connection, study.study_id, [good, bad])
    assert error.value.hint == "leave its study out: --study"
    assert study.optuna.trials == []
