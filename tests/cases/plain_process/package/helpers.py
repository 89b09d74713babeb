"""What the objective's processes run: importable, as spawned processes need it."""

import multiprocessing
import os
import sys


def use(trial, place):
    """Suggest, report, ask and write, as a fold or a rank does; what came out."""
    rate = trial.suggest_float("rate", 0, 1)
    for step in range(20):
        trial.report(float(place), 100 * place + step)
    assert trial.should_prune() is False
    assert trial.should_stop() is False
    trial.set_user_attr(f"place {place}", [place, os.getpid()])
    return rate


def use_and_put(trial, place, results):
    results.put(use(trial, place))


def use_as_rank(rank, trial):
    use(trial, rank)


def look_around(trial, results):
    """What a spawned process finds: the objective's module by its name, and no launcher."""
    main = sys.modules.get("__mp_main__") or sys.modules["__main__"]
    names = [
        name
        for name in sys.modules
        if name.startswith("hpotool.worker.child.fork_server") or name == "hpotool.cli"
    ]
    parent = multiprocessing.parent_process()
    results.put((use(trial, 7), getattr(main, "__file__", None), names, sys.argv, parent is not None))
