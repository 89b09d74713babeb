"""What the benchmark measures: one worker, several at once, one far away. Each on a database of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import optuna
import psutil

from hpotool.storage.database.connection import Connection
from hpotool.storage.database.schema import ensure_schema
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.open import open_storage
from tests.benchmarks.fill import fill_study
from tests.benchmarks.wire import proxied
from tests.benchmarks.worker import STUDY
from tests.postgres import TestServer


@dataclass(frozen=True)
class Case:
    """One row of the benchmark."""

    kind: str  # optuna | hpotool, and each as a script of ten lines: plain-script | script
    finished: int  # trials in the study before
    trials: int  # that each worker runs, after its first one
    pruner: str = "median"
    workers: int = 1
    round_trip_ms: float = 0.0


def measure(server: TestServer, case: Case) -> dict[str, Any]:
    """Run the case; its arguments and what came out."""
    with ExitStack() as stack:
        url = stack.enter_context(filled(server, case.finished))
        url, wire = stack.enter_context(proxied(url, case.round_trip_ms / 1000))
        workers = [stack.enter_context(started_worker(case, url, seed)) for seed in range(case.workers)]
        for worker in workers:
            worker.stage()  # imports are done
        cold = postgres_cpu_s(server)
        first = _together(workers)
        before = postgres_cpu_s(server), wire.round_trips
        began = time.perf_counter()
        loop = _together(workers)
        wall_s = time.perf_counter() - began
        trials = case.trials * case.workers
        return {
            **asdict(case),
            "round_trips": (wire.round_trips - before[1]) / trials,
            "postgres_cpu_ms": (postgres_cpu_s(server) - before[0]) / trials * 1000,
            "worker_cpu_ms": sum(each["cpu_s"] for each in loop) / trials * 1000,
            "wall_ms": sum(each["wall_s"] for each in loop) / trials * 1000,
            "trials_per_s": trials / wall_s,
            "first_trial_s": max(each["first_trial_s"] for each in first),
            "first_trial_cpu_s": max(each["first_trial_cpu_s"] for each in first),
            "first_trial_postgres_cpu_s": (before[0] - cold) / case.workers,
            "memory_mb": max(each["memory_mb"] for each in loop),
        }


class _Worker:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def go_on(self) -> None:
        """Start the next stage."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def stage(self) -> dict[str, float]:
        """What the worker measured in the stage that it is in."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a worker of the benchmark failed")
        return dict(json.loads(line))


def _together(workers: list[_Worker]) -> list[dict[str, float]]:
    for worker in workers:
        worker.go_on()
    return [worker.stage() for worker in workers]


@contextmanager
def started_worker(case: Case, url: str, seed: int) -> Iterator[_Worker]:
    process = subprocess.Popen(
        [
            sys.executable, "-m", "tests.benchmarks.worker", case.kind, url, str(case.trials),
            "--pruner", case.pruner, "--seed", str(seed),
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield _Worker(process)
        process.communicate("\n", timeout=60)
    finally:
        process.kill()
        process.wait()


_TEMPLATES: dict[int, str] = {}
_MOST_COPIED = 200_000  # trials: a database of a million takes 7 GB


@contextmanager
def filled(server: TestServer, finished: int) -> Iterator[str]:
    """A copy of a database with so many finished trials: made once, it is copied in a moment.

    A very large one is not copied: whoever asks for it again finds the few trials that were added.
    """
    template = f"filled_{finished}"
    if finished not in _TEMPLATES:
        server.run(f'CREATE DATABASE "{template}"')
        storage = open_storage(server.url(template))
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(study_name=STUDY, storage=storage)
        ensure_schema(storage.url)  # as in every database that hpotool's commands have used
        filler = Connection(DatabaseUrl.parse(server.url(template)))
        fill_study(filler, study._study_id, finished)
        filler.close()
        storage._connection.close()  # a database somebody is connected to cannot be copied
        if finished <= _MOST_COPIED:
            server.run(f'ALTER DATABASE "{template}" ALLOW_CONNECTIONS false', "CHECKPOINT")
        _TEMPLATES[finished] = template
    if finished > _MOST_COPIED:
        yield server.url(template)
        return
    with server.database(f"case_{time.monotonic_ns()}", template) as url:
        yield url


def postgres_cpu_s(server: TestServer) -> float:
    """Processor time of the server's processes; those that ended are counted by the one that started them."""
    master = psutil.Process(server.cluster.process_id())
    while True:
        own = master.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        try:
            each = [child.cpu_times() for child in master.children()]
        except psutil.NoSuchProcess:  # it ended meanwhile, and is counted by the master from now on
            continue
        return float(total + sum(times.user + times.system for times in each))
