"""A fleet of simulated workers on one study, and whole workers beside plain Optuna: parts of `scale`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil
import psycopg2
from psycopg2.extras import execute_values

from hpotool.storage.control.creation import create_or_resume
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.study.file.reader import read_study_data
from tests.benchmarks.client import Client, started
from tests.benchmarks.fill import N_PARAMS, N_REPORTS
from tests.benchmarks.measure import Case, measure, postgres_cpu_s
from tests.pgbouncer import pooled
from tests.postgres import TestServer

_PROCESSES = 2
_POOL = 20
_DISTRIBUTION = (
    '{"name": "FloatDistribution", "attributes": {"step": null, "low": -5.0, "high": 5.0, "log": false}}'
)


def measure_fleet(server: TestServer, workers: int, seconds: float, trial_s: float) -> dict[str, Any]:
    """Simulated workers through PgBouncer: how long they wait for a claim, and what that costs Postgres."""
    with ExitStack() as stack:
        url = stack.enter_context(server.database(f"fleet_{time.monotonic_ns()}"))
        create_study(url, "fleet", ["true"], 10**6)
        reached = stack.enter_context(pooled(url, _POOL, most_clients=2 * workers + 100))
        home = stack.enter_context(tempfile.TemporaryDirectory(dir=_memory_folder()))
        clients: list[Client] = []
        for number in range(_PROCESSES):
            own = workers // _PROCESSES + (number < workers % _PROCESSES)
            words = [reached, "fleet", str(own), str(seconds), str(trial_s), home]
            clients.append(stack.enter_context(started("tests.benchmarks.simulated_fleet", words)))
        for client in clients:
            client.hear()
        load, before, bouncer = psutil.getloadavg()[0], postgres_cpu_s(server), _pgbouncer_cpu_s()
        began = time.perf_counter()
        for client in clients:
            client.go_on()
        with _most_connections(server) as most:
            answers = [client.hear() for client in clients]
        wall_s = time.perf_counter() - began
        trials = sum(len(answer["trials_s"]) for answer in answers)
        postgres_s = postgres_cpu_s(server) - before
        return {
            "workers": workers,
            "seconds": seconds,
            "trial_s": trial_s,
            "trials": trials,
            "wall_s": wall_s,
            **_spread("claim", [took for answer in answers for took in answer["claims_s"]]),
            **_spread("end", [took for answer in answers for took in answer["ends_s"]]),
            "postgres_cpu_ms": postgres_s / max(trials, 1) * 1000,
            "postgres_cores": postgres_s / wall_s,
            "client_cores": sum(answer["cpu_s"] for answer in answers) / wall_s,
            "pgbouncer_cores": (_pgbouncer_cpu_s() - bouncer) / wall_s,
            "connections": most(),
            "errors": dict(sum((Counter(answer["errors"]) for answer in answers), Counter())),
            "load_average": round(load, 1),
        }


def _spread(name: str, times_s: list[float]) -> dict[str, float]:
    cuts = quantiles(times_s, n=100) if len(times_s) > 1 else [0.0] * 99
    return {f"{name}_p50_ms": cuts[49] * 1000, f"{name}_p99_ms": cuts[98] * 1000}


def _memory_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _pgbouncer_cpu_s() -> float:
    children = psutil.Process().children()
    return sum(sum(child.cpu_times()[:2]) for child in children if child.name() == "pgbouncer")


@contextmanager
def _most_connections(server: TestServer) -> Iterator[Callable[[], int]]:
    """How many connections the server had at most inside the block, looked at once a second."""
    counts, over = [0], threading.Event()

    def look() -> None:
        connection = psycopg2.connect(server.url("postgres"))
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not over.wait(1.0):
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname <> 'postgres' AND backend_type = 'client backend'"
                )
                counts.append(cursor.fetchone()[0])  # type: ignore[index]
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lambda: max(counts)
    finally:
        over.set()
        thread.join()


def measure_worker(server: TestServer, trials: int) -> Iterator[dict[str, Any]]:
    """A whole trial of `hpotool worker`, of plain Optuna in a loop, and of the same rows written directly."""
    for isolation in ("process", "none"):
        yield {"what": f"hpotool worker, isolation: {isolation}", **_whole_worker(server, isolation, trials)}
    for kind, name in (("hpotool", "hpotool's storage in study.optimize"), ("optuna", "Optuna's study.optimize")):
        row = measure(server, Case(kind, 0, trials if kind == "hpotool" else max(5, trials // 10)))
        asked = ("wall_ms", "worker_cpu_ms", "postgres_cpu_ms", "round_trips")
        yield {"what": name, **{name: row[name] for name in asked}}
    yield {"what": "the same rows, written directly", **_floor(server, trials)}


def _whole_worker(server: TestServer, isolation: str, trials: int) -> dict[str, Any]:
    """The difference between a long and a short run, so that the start of a worker does not count."""
    few = max(2, trials // 10)
    short, long = (_run_worker(server, isolation, count) for count in (few, few + trials))
    return {
        name: (long[name] - short[name]) / trials * 1000
        for name in ("wall_ms", "worker_cpu_ms", "postgres_cpu_ms")
    }


def _run_worker(server: TestServer, isolation: str, trials: int) -> dict[str, float]:
    """Seconds, under the names of what they become."""
    with server.database(f"worker_{time.monotonic_ns()}") as url, tempfile.TemporaryDirectory() as home:
        create_study(
            url, "whole", {"python": "tests.benchmarks.reference:objective", "isolation": isolation}, trials
        )
        command = [sys.executable, "-m", "hpotool", "worker", "--study", "whole", "--gpu", "none"]
        environment = {**os.environ, "HPOTOOL_STORAGE": url, "HPOTOOL_HOME": home}
        before = postgres_cpu_s(server)
        worker = subprocess.Popen(
            command, env=environment, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2]
        )
        _, status, used = os.wait4(worker.pid, 0)
        worker.returncode = os.waitstatus_to_exitcode(status)
        assert worker.returncode == 0, "a worker of the benchmark failed"
        connection = Connection(DatabaseUrl.parse(url))
        [(wall_s,)] = connection.run(
            "SELECT extract(epoch FROM max(ended_at) - min(started_at))::float8 FROM hpotool.attempts"
        )
        connection.close()
        return {
            "wall_ms": wall_s,
            "worker_cpu_ms": used.ru_utime + used.ru_stime,
            "postgres_cpu_ms": postgres_cpu_s(server) - before,
        }


def _floor(server: TestServer, trials: int) -> dict[str, Any]:
    """A trial's rows, written by hand in as few round trips as its steps allow."""
    with server.database(f"floor_{time.monotonic_ns()}") as url:
        create_study(url, "floor", ["true"], trials)
        connection = psycopg2.connect(url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT study_id FROM studies")
            [(study_id,)] = cursor.fetchall()
            _write_trial(cursor, study_id, 0)
            before, began, began_cpu = postgres_cpu_s(server), time.perf_counter(), time.process_time()
            for number in range(1, trials + 1):
                _write_trial(cursor, study_id, number)
            wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
            connection.close()
        return {
            "wall_ms": wall_s / trials * 1000,
            "worker_cpu_ms": cpu_s / trials * 1000,
            "postgres_cpu_ms": (postgres_cpu_s(server) - before) / trials * 1000,
            "round_trips": 5,
        }


def _write_trial(cursor: Any, study_id: int, number: int) -> None:
    cursor.execute(
        "WITH t AS (INSERT INTO trials (study_id, number, state, datetime_start) "
        "VALUES (%s, %s, 'RUNNING', now()) RETURNING trial_id) "
        "INSERT INTO trial_heartbeats (trial_id, heartbeat) SELECT trial_id, now() FROM t "
        "RETURNING trial_id",
        (study_id, number),
    )
    [(trial_id,)] = cursor.fetchall()
    params = [(trial_id, f"x{place}", 0.5, _DISTRIBUTION) for place in range(N_PARAMS)]
    execute_values(
        cursor, "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES %s", params
    )
    reports = [(trial_id, step, 0.5, "FINITE") for step in range(N_REPORTS)]
    execute_values(
        cursor,
        "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
        "VALUES %s",
        reports,
    )
    cursor.execute(
        "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (%s, 0, 0.5, 'FINITE')",
        (trial_id,),
    )
    cursor.execute(
        "UPDATE trials SET state = 'COMPLETE', datetime_complete = now() WHERE trial_id = %s", (trial_id,)
    )


def create_study(url: str, name: str, objective: dict[str, str] | list[str], trials: int) -> None:
    """A study of the reference objective's parameters."""
    data = {
        "study": name,
        "objective": objective if isinstance(objective, dict) else {"command": objective},
        "metrics": {"value": "minimize"},
        "search_space": {f"x{place}": {"float": [-5.0, 5.0]} for place in range(N_PARAMS)},
        "sampler": {"name": "tpe", "seed": 1},
        "pruner": {"name": "median"},
        "budget": {"trials": trials},
    }
    connection = Connection(DatabaseUrl.parse(url))
    create_or_resume(connection, read_study_data(data), "benchmark")
    connection.close()
