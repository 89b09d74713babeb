"""Simulated workers of one process of the benchmark of a fleet (`tests.benchmarks.fleet`).

``python -m tests.benchmarks.simulated_fleet URL STUDY WORKERS SECONDS TRIAL_S HOME``: each worker is a thread with
the storage of a real one. Instead of training, it waits: it claims, stores its parameters, reports once a second,
beats as a worker does, and tells the result. It waits for a line on its standard input, and answers with JSON.
"""

from __future__ import annotations

import random
import sys
import threading
import time
import uuid
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from hpotool.settings import HEARTBEAT_INTERVAL
from hpotool.storage.control.orders import register_worker
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import beat
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.fleet.worker_storage import WorkerStorage
from tests.benchmarks.claims import say
from tests.benchmarks.fill import N_PARAMS

_SPACE = FloatDistribution(-5.0, 5.0)


@dataclass
class Seen:
    """What a worker measured, in seconds."""

    claims_s: list[float] = field(default_factory=list)
    ends_s: list[float] = field(default_factory=list)
    trials_s: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


def main(url: str, study: str, workers: int, seconds: float, trial_s: float, home: str) -> None:
    """Open every worker, then let all of them work for some time."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    opened = [_open(url, study, Path(home)) for _ in range(workers)]
    say({})
    began_cpu, until = time.process_time(), time.monotonic() + seconds
    seen = [Seen() for _ in opened]
    threads = [
        threading.Thread(target=_work, args=(*one, until, trial_s, kept))
        for one, kept in zip(opened, seen, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say(
        {
            "cpu_s": time.process_time() - began_cpu,
            "claims_s": [took for one in seen for took in one.claims_s],
            "ends_s": [took for one in seen for took in one.ends_s],
            "trials_s": [took for one in seen for took in one.trials_s],
            "errors": sum((one.errors for one in seen), Counter()),
        }
    )


def _open(url: str, study: str, home: Path) -> tuple[WorkerStorage, int]:
    worker = WorkerIdentity(f"fleet-{uuid.uuid4().hex[:8]}", "here", 1, "boot", "1", "cpu")
    storage = WorkerStorage(DatabaseUrl.parse(url), worker, home=home)
    study_id = storage.get_study_id_from_name(study)
    register_worker(storage.run, study_id, worker)
    return storage, study_id


def _work(storage: WorkerStorage, study_id: int, until: float, trial_s: float, seen: Seen) -> None:
    time.sleep(random.uniform(0.0, trial_s))  # workers start their trials at different moments
    while time.monotonic() < until:
        try:
            _run_trial(storage, study_id, trial_s, seen)
        except Exception as error:  # noqa: BLE001  (they are counted, and shown)
            seen.errors[type(error).__name__] += 1


def _run_trial(storage: WorkerStorage, study_id: int, trial_s: float, seen: Seen) -> None:
    began = time.perf_counter()
    trial_id = storage.create_new_trial(study_id)
    seen.claims_s.append(time.perf_counter() - began)
    for number in range(N_PARAMS):
        storage.set_trial_param(trial_id, f"x{number}", random.uniform(-5.0, 5.0), _SPACE)
    started = beaten = time.monotonic()
    for step in range(int(trial_s)):
        time.sleep(max(0.0, started + step + 1 - time.monotonic()))
        storage.set_trial_intermediate_value(trial_id, step, random.random())
        if time.monotonic() - beaten >= HEARTBEAT_INTERVAL.total_seconds():
            beaten = time.monotonic()
            beat(storage.run, storage.worker, storage.attempt)
    ended = time.perf_counter()
    storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [random.random()])
    seen.ends_s.append(time.perf_counter() - ended)
    seen.trials_s.append(time.perf_counter() - began)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]), sys.argv[6])
