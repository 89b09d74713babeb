"""Many processes on one study: plain Optuna's beside ours, and more workers than connections."""

import json
import multiprocessing

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.open import open_storage
from tests.pgbouncer import pooled

FORKING = multiprocessing.get_context("fork")
N_TRIALS = 40


def _objective(trial):
    x = trial.suggest_float("x", -5, 5)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    trial.set_user_attr("by", trial.number)
    for step in range(3):
        trial.report(x * x + step, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return x * x + (kind == "a")


def _work(url, is_plain, n_trials, met, done):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = RDBStorage(DatabaseUrl.parse(url).sqlalchemy) if is_plain else open_storage(url)
    study = optuna.load_study(study_name="fleet", storage=storage, sampler=RandomSampler())
    met.wait(timeout=120)
    study.optimize(_objective, n_trials=n_trials)
    done.put(True)


def _write_as_the_dashboard_does(url, met, done):
    storage = RDBStorage(DatabaseUrl.parse(url).sqlalchemy)
    study = optuna.load_study(study_name="fleet", storage=storage)
    met.wait(timeout=120)
    for place in range(N_TRIALS):
        study.enqueue_trial({"x": place / 10, "kind": "b"}, user_attrs={"queued": place})
        study.set_user_attr(f"note:{place}", "x" * 100)
        storage.set_study_system_attr(study._study_id, "dashboard:graph", {"place": place})
    done.put(True)


def _run_all(workers, met, done):
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=240)
    assert [worker.exitcode for worker in workers] == [0] * len(workers)
    assert sum(done.get(timeout=5) for _ in workers) == len(workers)


def test_plain_optuna_and_the_dashboard_work_on_one_study_with_us(study_database_url):
    optuna.create_study(study_name="fleet", storage=open_storage(study_database_url))
    met, done = FORKING.Barrier(5), FORKING.Queue()
    workers = [
        FORKING.Process(target=_work, args=(study_database_url, is_plain, N_TRIALS, met, done))
        for is_plain in (True, True, False, False)
    ]
    writer = FORKING.Process(target=_write_as_the_dashboard_does, args=(study_database_url, met, done))
    _run_all([*workers, writer], met, done)
    theirs = optuna.load_study(
        study_name="fleet", storage=RDBStorage(DatabaseUrl.parse(study_database_url).sqlalchemy)
    )
    ours = optuna.load_study(study_name="fleet", storage=open_storage(study_database_url))
    assert [trial.number for trial in theirs.trials] == list(range(len(theirs.trials)))
    assert ours.trials == theirs.trials
    assert ours.user_attrs == theirs.user_attrs
    finished = [trial for trial in ours.trials if trial.state.is_finished()]
    assert len(finished) == 4 * N_TRIALS
    assert {trial.state for trial in finished} <= {TrialState.COMPLETE, TrialState.PRUNED}
    # What was queued was taken once each.
    queued = [trial.user_attrs["queued"] for trial in ours.trials if "queued" in trial.user_attrs]
    assert sorted(queued) == list(range(N_TRIALS))
    for trial in finished:
        fixed = trial.system_attrs.get("fixed_params")
        assert fixed is None or trial.params == fixed, json.dumps(trial.params)


def test_twice_as_many_workers_as_connections_share_a_pool_without_an_error(study_database_url):
    n_workers = 16
    optuna.create_study(study_name="fleet", storage=open_storage(study_database_url))
    with pooled(study_database_url, pool_size=n_workers // 2) as url:
        met, done = FORKING.Barrier(n_workers), FORKING.Queue()
        workers = [FORKING.Process(target=_work, args=(url, False, 5, met, done)) for _ in range(n_workers)]
        _run_all(workers, met, done)
    study = optuna.load_study(study_name="fleet", storage=open_storage(study_database_url))
    assert [trial.number for trial in study.trials] == list(range(n_workers * 5))
    assert all(trial.state.is_finished() and len(trial.params) == 2 for trial in study.trials)
