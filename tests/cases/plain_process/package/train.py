"""An objective in a package, with relative imports; each trial is a case that plain Python runs."""

import atexit
import concurrent.futures
import copy
import logging.handlers
import multiprocessing
import os
import pickle
import sys
import tempfile
import threading
import time

import cloudpickle
import hydra
import joblib
import optuna
import torch.multiprocessing
from omegaconf import OmegaConf
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_score

from . import estimators, helpers

ARGV_AT_IMPORT = list(sys.argv)
OPENED_AT_IMPORT = tempfile.NamedTemporaryFile("w", delete=False, prefix="opened-at-import-")  # noqa: SIM115


def script(trial):
    """As if this file had been run alone."""
    assert ARGV_AT_IMPORT == sys.argv == [os.path.abspath(__file__)], sys.argv
    assert sys.orig_argv == [sys.executable, os.path.abspath(__file__)]
    assert sys.path[0] == os.getcwd()
    main = sys.modules["__main__"]
    assert main.__name__ == "__main__"
    assert main.__spec__ is None
    assert not hasattr(main, "__file__")
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert os.environ["DATA"] == "/data/digits"
    assert torch.get_num_threads() == 1
    assert threading.current_thread() is threading.main_thread()


def copies(trial):
    rate = trial.suggest_float("rate", 0, 1)
    path = trial.checkpoint_dir / "trial.joblib"
    joblib.dump(trial, path)
    made = [
        copy.copy(trial),
        copy.deepcopy(trial),
        copy.deepcopy({"nested": [trial]})["nested"][0],
        pickle.loads(pickle.dumps(trial)),
        cloudpickle.loads(cloudpickle.dumps(lambda: trial))(),
        joblib.load(path),
    ]
    for place, other in enumerate(made):
        assert isinstance(other, optuna.Trial)
        assert (other.number, other.params["rate"], other.checkpoint_dir) == (
            trial.number,
            rate,
            trial.checkpoint_dir,
        )
        assert helpers.use(other, place) == rate
        assert other.study.study_name == "plain-process"
        assert other.suggest_int(f"own {place}", 0, 100) == trial.suggest_int(f"own {place}", 0, 100)
    assert pickle.loads(pickle.dumps(trial.study)).direction == optuna.study.StudyDirection.MAXIMIZE


def threads(trial):
    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        assert len(set(executor.map(lambda place: helpers.use(trial, place), range(8)))) == 1


def forks(trial):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=helpers.use_and_put, args=(trial, place, results)) for place in range(3)]
    for process in processes:
        process.start()
    rates = {results.get(timeout=60) for _ in processes}
    with context.Pool(2) as pool:  # sends the trial pickled, to processes that were forked
        rates |= set(pool.starmap(helpers.use, [(trial, place) for place in range(3, 6)]))
    assert rates == {trial.suggest_float("rate", 0, 1)}


def spawns(trial):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=helpers.look_around, args=(trial, results))
    process.start()
    rate, main_file, launchers, argv, is_child = results.get(timeout=60)
    process.join()
    assert (main_file, launchers, argv, is_child) == (None, [], sys.argv, True)
    assert rate == trial.suggest_float("rate", 0, 1)


def pools(trial):
    """joblib's processes, and those of a fork server of the objective's own."""
    rates = set(joblib.Parallel(n_jobs=2)(joblib.delayed(helpers.use)(trial, place) for place in range(4)))
    context = multiprocessing.get_context("forkserver")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        rates.add(executor.submit(helpers.use, trial, 5).result(timeout=60))
    assert len(rates) == 1


def torch_spawn(trial):
    torch.multiprocessing.spawn(helpers.use_as_rank, args=(trial,), nprocs=2)


def sklearn_folds(trial):
    data, target = load_diabetes(return_X_y=True)
    model = clone(estimators.ReportingRidge(trial))
    assert len(cross_val_score(model, data, target, cv=2, n_jobs=2)) == 2


class TrainerCallback:
    """As Lightning's and transformers' callbacks: kept in a trainer that copies and pickles its state."""

    def __init__(self, trial):
        self.trial = trial

    def on_validation_end(self, trainer, epoch):
        self.trial.report(0.5, epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def callbacks(trial):
    trainer = {"callbacks": [TrainerCallback(trial)], "state": {"epoch": 0}}
    for restored in (copy.deepcopy(trainer), pickle.loads(pickle.dumps(trainer))):
        for epoch in range(3):
            restored["callbacks"][0].on_validation_end(restored, epoch)


def study(trial):
    seen = trial.study
    assert isinstance(seen, optuna.Study)
    assert (seen.study_name, seen.metric_names) == ("plain-process", ["value"])
    assert seen.direction == seen.directions[0] == optuna.study.StudyDirection.MAXIMIZE
    assert (str(seen.sampler), str(seen.pruner)) == ("auto", "none")
    assert [other.number for other in seen.trials] == [other.number for other in seen.get_trials(deepcopy=False)]
    assert seen.trials[trial.number].state == optuna.trial.TrialState.RUNNING
    done = seen.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    best = max(done, key=lambda other: other.value)
    assert (seen.best_value, seen.best_params) == (best.value, best.params)
    assert seen.best_trial.number == best.number
    assert best.number in {other.number for other in seen.best_trials}
    assert list(seen.trials_dataframe(attrs=("number", "value"))["number"]) == [
        other.number for other in seen.trials
    ]
    seen.set_user_attr("owner", "me")
    assert seen.user_attrs["owner"] == "me"
    for write in (
        seen.ask,
        lambda: seen.enqueue_trial({}),
        lambda: seen.tell(0, 1.0),
        lambda: seen.optimize(script),
    ):
        try:
            write()
        except RuntimeError as error:
            assert "an objective can read its study" in str(error)
        else:
            raise AssertionError("it was not refused")
    try:
        trial.storage.set_trial_user_attr(trial._trial_id + 1, "foreign", 1)
    except RuntimeError as error:
        assert "an objective can read its study" in str(error)
    else:
        raise AssertionError("an attribute of another trial was not refused")


def endings(trial):
    """What plain Python still does when a script is over. The test looks at the files."""
    folder = trial.checkpoint_dir

    def write_slowly(name):
        with (folder / name).open("wb") as file:
            for _ in range(10):
                file.write(b"x" * 1000)
                time.sleep(0.4)  # together longer than a process was once given to end

    executor = concurrent.futures.ThreadPoolExecutor(1)
    executor.submit(write_slowly, "by-executor")
    thread = threading.Thread(target=write_slowly, args=("by-thread",))
    thread.start()
    process = multiprocessing.get_context("fork").Process(target=write_slowly, args=("by-process",))
    process.start()
    atexit.register(lambda: (folder / "order").write_text(f"thread {'lives' if thread.is_alive() else 'is over'}"))
    global LEFT_OPEN, HANDLER, TEMPORARY
    LEFT_OPEN = (folder / "left-open").open("w")
    LEFT_OPEN.write("never closed")
    HANDLER = logging.handlers.MemoryHandler(1000, target=logging.FileHandler(folder / "logged"))
    logger = logging.getLogger("objective")
    logger.addHandler(HANDLER)
    logger.warning("kept in memory")
    TEMPORARY = tempfile.TemporaryDirectory()
    (folder / "temporary").write_text(TEMPORARY.name)
    OPENED_AT_IMPORT.write("written later")
    (folder / "opened-at-import").write_text(OPENED_AT_IMPORT.name)


def hydra_main(trial):
    seen = []

    @hydra.main(version_base=None, config_path=None)
    def run(config):
        seen.append(OmegaConf.to_container(config))

    run()
    assert seen == [{}]


def returns_twice(trial):
    """What it forks returns too, as a script's fork would run to the script's end."""
    if os.fork() == 0:
        (trial.checkpoint_dir / "child").write_text("ran to its end")
    else:
        os.wait()


CASES = {**{case.__name__: case for case in (script, copies, threads, forks, spawns, pools, torch_spawn)}}
CASES |= {case.__name__: case for case in (sklearn_folds, callbacks, study, endings, returns_twice)}
CASES["hydra"] = hydra_main


def objective(trial):
    CASES[trial.params["case"]](trial)
    return {"value": float(trial.number), "process": os.getpid()}


if __name__ == "__main__":
    raise SystemExit("nobody runs this file")
