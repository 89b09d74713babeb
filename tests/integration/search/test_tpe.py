"""The fast TPE suggests what Optuna's suggests, seed by seed."""

import json
import math
import uuid
import warnings

import optuna
import pytest
from optuna.samplers import TPESampler
from optuna.storages import InMemoryStorage

from hpotool.search import tpe
from hpotool.search.tpe import FastTPESampler
from hpotool.storage.open import open_storage

N_TRIALS = 60


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def storage(postgres):
    with postgres.database(f"fast_tpe_{uuid.uuid4().hex}") as url:
        yield open_storage(url)


def _evaluate(trial, n_objectives):
    """Every kind of parameter, a condition, failures, pruning, constraints."""
    x = trial.suggest_float("x", -5, 5)
    rate = trial.suggest_float("rate", 1e-5, 1, log=True)
    width = trial.suggest_int("width", 1, 64, log=True)
    step = trial.suggest_float("step", 0, 1, step=0.1)
    kind = trial.suggest_categorical("kind", ["a", "b", None])
    loss = x * x + abs(math.log10(rate) + 2) + width / 16 + step + (0.0 if kind == "a" else 1.0)
    if kind == "b":
        loss += trial.suggest_int("depth", 1, 9)
    trial.set_constraint("x", abs(x) - 4)
    if n_objectives == 1:
        trial.report(loss * 2, 0)
        if trial.number % 7 == 3:
            trial.report(float("nan") if trial.number % 2 else loss, 1)
            raise optuna.TrialPruned
    if trial.number % 11 == 5:
        raise RuntimeError
    return [loss, abs(x - 2) + rate][:n_objectives]


def _suggestions(sampler, storage, directions, at_once=1):
    """Several trials run at the same time when ``at_once`` says so."""
    study = optuna.create_study(storage=storage, sampler=sampler, directions=directions)
    running = []
    for _ in range(N_TRIALS):
        trial = study.ask()
        try:
            values, state = _evaluate(trial, len(directions)), None
        except optuna.TrialPruned:
            values, state = None, optuna.trial.TrialState.PRUNED
        except RuntimeError:
            values, state = None, optuna.trial.TrialState.FAIL
        running.append((trial, values, state))
        if len(running) == at_once:
            trial, values, state = running.pop(0)
            study.tell(trial, values, state)
    return json.dumps([trial.params for trial in study.trials])


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("directions", "arguments", "at_once"),
    [
        (["minimize"], {}, 1),
        (["maximize"], {}, 4),
        (["minimize"], {"group": True}, 2),
        (["minimize"], {"multivariate": False, "constant_liar": True}, 3),
        (["minimize"], {"multivariate": False, "constant_liar": False}, 1),
        (["minimize", "maximize"], {}, 2),
        (["maximize", "minimize"], {"multivariate": True}, 1),
    ],
)
def test_every_suggestion_is_optunas(storage, directions, arguments, at_once, seed):
    theirs = _suggestions(TPESampler(seed=seed, **arguments), InMemoryStorage(), directions, at_once)
    ours = _suggestions(FastTPESampler(seed=seed, **arguments), storage, directions, at_once)
    assert ours == theirs


@pytest.mark.parametrize("directions", [["minimize"], ["minimize", "maximize"]])
def test_a_long_history_is_bounded_and_keeps_the_best_and_the_newest(monkeypatch, storage, directions):
    monkeypatch.setattr(tpe, "LONGEST_HISTORY", 30)
    monkeypatch.setattr(tpe, "_BEST", 10)
    monkeypatch.setattr(tpe, "_LOOKED_FOR_EVERY", 10)
    sampler = FastTPESampler(seed=3)
    learned_from = []
    choose = sampler._history
    sampler._history = lambda *given: learned_from.append(choose(*given)) or learned_from[-1]
    _suggestions(sampler, storage, directions)
    numbers = [rows[:, 0] for rows in learned_from]
    assert max(map(len, numbers)) == 30
    assert all((rows[1:] > rows[:-1]).all() for rows in numbers)
    newest = learned_from[-1][:, 0].max()
    assert {newest, newest - 1} <= set(numbers[-1])
    finished = learned_from[-1]
    everything = sampler._columns._table[: sampler._columns._rows]
    feasible = everything[(everything[:, tpe.IS_PRUNED] == 0) & (everything[:, tpe.INFEASIBILITY] <= 0)]
    if len(directions) == 1:
        assert feasible[:, tpe.FIRST_VALUE].min() in finished[:, tpe.FIRST_VALUE]


def test_on_another_storage_it_is_optunas_sampler():
    ours = _suggestions(FastTPESampler(seed=5), InMemoryStorage(), ["minimize"])
    assert ours == _suggestions(TPESampler(seed=5), InMemoryStorage(), ["minimize"])
