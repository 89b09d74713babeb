"""Connections that claim and finish trials as fast as they can; one process of `scale`.

``python -m tests.benchmarks.claims KIND URL CONNECTIONS TRIALS FIRST STUDY…``: each connection is a thread that
runs TRIALS trials of one of the studies. It waits for a line on its standard input, and answers with JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.trial import TrialState

from hpotool.storage.control.orders import register_worker
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Attempt, Ending, claim_trial, finish_attempt, new_attempt_id
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.study.outcome import Outcome

Trial = Callable[[], float]  # runs one; how long its claim took


def main(kind: str, url: str, connections: int, trials: int, first: int, studies: Sequence[str]) -> None:
    """Open every connection, then run the trials of all of them at once."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    opened = [_open(kind, url, studies[(first + number) % len(studies)]) for number in range(connections)]
    say({})
    began, began_cpu = time.perf_counter(), time.process_time()
    claims: list[float] = []
    threads = [threading.Thread(target=lambda run=run: claims.extend(_run(run, trials))) for run in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say(
        {
            "wall_s": time.perf_counter() - began,
            "cpu_s": time.process_time() - began_cpu,
            "claims_s": claims,
        }
    )


def _run(run: Trial, trials: int) -> list[float]:
    return [run() for _ in range(trials)]


def _open(kind: str, url: str, study: str) -> Trial:
    return _open_plain(url, study) if kind == "optuna" else _open_ours(url, study)


def _open_ours(url: str, name: str) -> Trial:
    """The two round trips of a worker that a trial cannot do without."""
    connection = Connection(DatabaseUrl.parse(url))
    [(study_id,)] = connection.run("SELECT study_id FROM studies WHERE study_name = %s", (name,))
    worker = WorkerIdentity(f"bench-{uuid.uuid4().hex[:8]}", "here", 1, "boot", "1", "cpu")
    register_worker(connection.run, study_id, worker)
    ending = Ending(Outcome.COMPLETE)

    def run() -> float:
        began = time.perf_counter()
        attempt = claim_trial(connection.run, study_id, worker, new_attempt_id())
        took_s = time.perf_counter() - began
        assert isinstance(attempt, Attempt)
        finish_attempt(connection.run, attempt, worker.worker_id, TrialState.COMPLETE, (1.0,), ending)
        return took_s

    return run


def _open_plain(url: str, name: str) -> Trial:
    """The same of plain Optuna: ask and tell, without a sampler's work."""
    storage = optuna.storages.RDBStorage(DatabaseUrl.parse(url).sqlalchemy)
    study = optuna.load_study(study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler())

    def run() -> float:
        began = time.perf_counter()
        trial = study.ask()
        took_s = time.perf_counter() - began
        study.tell(trial, 1.0)
        return took_s

    return run


def say(data: dict[str, Any]) -> None:
    """Say it as a line, and wait for one."""
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), sys.argv[6:])
