"""A worker of plain Optuna on a drill's study, set up as well as Optuna allows: to see what a drill finds there.

``python -m hpotool.drill.plain_optuna STUDY BUDGET``, with HPOTOOL_STORAGE in the environment.
"""

from __future__ import annotations

import os
import sys
import warnings

import optuna
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState

from hpotool.drill.objective import objective
from hpotool.settings import read_pulse
from hpotool.storage.database.url import DatabaseUrl


def _objective(trial: optuna.Trial) -> float:
    value = objective(trial)
    assert value is not None, "nobody asks a trial of plain Optuna to stop"
    return value


def main(study_name: str, budget: int) -> None:
    """Optimize until the budget is used up, with heartbeats and retries, and over failed trials."""
    warnings.simplefilter("ignore")
    pulse = read_pulse()
    storage = RDBStorage(
        DatabaseUrl.parse(os.environ["HPOTOOL_STORAGE"]).sqlalchemy,
        heartbeat_interval=max(1, round(pulse.interval.total_seconds())),
        grace_period=max(2, round(pulse.grace.total_seconds())),
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=3),
    )
    finished = (TrialState.COMPLETE, TrialState.PRUNED)
    study = optuna.load_study(study_name=study_name, storage=storage)
    if sum(trial.state in finished for trial in study.get_trials(deepcopy=False)) < budget:
        study.optimize(_objective, callbacks=[MaxTrialsCallback(budget, states=finished)], catch=Exception)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
