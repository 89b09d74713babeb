"""`make bench-scale`: how far one Postgres goes: many connections, many studies, a long study, workers that wait.

    python -m tests.benchmarks.scale [claims] [long] [idle] [fleet] [worker] [--trials 1000000] [--quick]

CPU per operation says more than trials per second where other programs share the machine; its load average is kept
beside. The figures go into docs/benchmarks.json beside those of `make bench`, and from there into the page.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles
from typing import Any

import optuna
import psutil

from hpotool.storage.control import orders
from hpotool.storage.control.creation import create_or_resume
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.schema import ensure_schema
from hpotool.storage.database.url import DatabaseUrl
from hpotool.study.file.reader import read_study_data
from tests.benchmarks.__main__ import machine
from tests.benchmarks.client import started
from tests.benchmarks.fleet import measure_fleet, measure_worker
from tests.benchmarks.measure import Case, filled, measure, postgres_cpu_s
from tests.benchmarks.report import write_report
from tests.benchmarks.worker import STUDY
from tests.pgbouncer import pooled
from tests.postgres import TestServer, open_run_folder, private_server

_OUTPUT = Path(__file__).parents[2] / "docs" / "benchmarks.json"
_PROCESSES = 2
_POOL = 20  # connections that PgBouncer opens, far fewer than its clients
_CONNECTIONS = (1, 8, 32, 96, 128, 500)
PARTS = ("claims", "long", "idle", "fleet", "worker")
# A command that says its own peak of memory: what wait4 knows is at least that of the process that forked it.
_MEASURED = """
import re, sys, time
from hpotool.cli.app import main
try:
    main(sys.argv[1:])
finally:
    peak = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]
    print(peak, time.process_time(), file=sys.stderr)
"""


def main() -> None:
    """Measure the parts, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--trials", type=int, default=1_000_000, help="finished trials of the long study")
    parser.add_argument("--quick", action="store_true", help="fewer of everything")
    parser.add_argument("--output", type=Path, default=_OUTPUT)
    asked = parser.parse_args()
    figures: dict[str, Any] = json.loads(asked.output.read_text()) if asked.output.exists() else {}
    scale = figures.setdefault("scale", {})
    alive = open_run_folder()
    server = _roomy(private_server())
    try:
        for part in asked.parts:
            scale[part] = {"machine": machine(server), "rows": []}
            for row in _measure(part, server, asked.trials, quick=asked.quick):
                sys.stderr.write(f"{part}: {json.dumps(row)}\n")
                scale[part]["rows"].append(row)
                asked.output.write_text(json.dumps(figures, indent=1) + "\n")
    finally:
        server.stop()
        alive.close()
    if "results" in figures:
        write_report(figures, asked.output.with_suffix(".md"))


def _measure(part: str, server: TestServer, trials: int, *, quick: bool) -> Iterator[dict[str, Any]]:
    if part == "claims":
        for connections in _CONNECTIONS[:2] if quick else _CONNECTIONS:
            # The first statements of a connection cost more: each has to do several.
            total = 40 if quick else max(400, 8 * connections)
            yield measure_claims(server, "hpotool", connections, 1, total)
            yield measure_claims(server, "hpotool", connections, 50, total)
            if connections >= 128 and not quick:
                yield measure_claims(server, "hpotool", connections, 1, total, is_pooled=True)
            if connections <= 32:
                yield measure_claims(server, "optuna", connections, 1, total // 4)
    elif part == "long":
        yield measure_long(server, 1_000 if quick else trials)
    elif part == "fleet":
        yield measure_fleet(server, *((20, 4.0, 2.0) if quick else (1_000, 530.0, 10.0)))
    elif part == "worker":
        yield from measure_worker(server, 10 if quick else 300)
    else:
        for state in ("paused", "waiting"):
            yield measure_idle(server, state, 2 if quick else 4, 5.0 if quick else 60.0)


def measure_claims(
    server: TestServer, kind: str, connections: int, studies: int, total: int, *, is_pooled: bool = False
) -> dict[str, Any]:
    """Claims and finishes of ``total`` trials over the connections, which serve the studies by turns."""
    names = [f"s{number}" for number in range(studies)]
    processes = min(_PROCESSES, connections)
    each = max(1, total // connections)
    with ExitStack() as stack:
        url = stack.enter_context(server.database(f"claims_{time.monotonic_ns()}"))
        _create(url, names)
        reached = stack.enter_context(pooled(url, _POOL, most_clients=connections + 10)) if is_pooled else url
        clients, first = [], 0
        for number in range(processes):
            own = connections // processes + (number < connections % processes)
            arguments = [kind, reached, str(own), str(each), str(first), *names]
            clients.append(stack.enter_context(started("tests.benchmarks.claims", arguments)))
            first += own
        for client in clients:
            client.hear()
        load, before = psutil.getloadavg()[0], postgres_cpu_s(server)
        began = time.perf_counter()
        for client in clients:
            client.go_on()
        answers = [client.hear() for client in clients]
        wall_s = time.perf_counter() - began
        trials = each * connections
        claims = sorted(took_s for answer in answers for took_s in answer["claims_s"])
        cuts = quantiles(claims, n=100) if len(claims) > 1 else [claims[0]] * 99
        return {
            "kind": kind,
            "connections": connections,
            "studies": studies,
            "is_pooled": is_pooled,
            "trials": trials,
            "postgres_cpu_ms": (postgres_cpu_s(server) - before) / trials * 1000,
            "client_cpu_ms": sum(answer["cpu_s"] for answer in answers) / trials * 1000,
            "per_s": trials / wall_s,
            "claim_p50_ms": cuts[49] * 1000,
            "claim_p99_ms": cuts[98] * 1000,
            "load_average": round(load, 1),
        }


def measure_long(server: TestServer, trials: int) -> dict[str, Any]:
    """A study of many finished trials: a worker's first trial and the next ones, and what people ask of it."""
    load = psutil.getloadavg()[0]
    worker = measure(server, Case("hpotool", trials, 5 if trials < 10_000 else 10))
    asked = (
        *("first_trial_s", "first_trial_cpu_s", "first_trial_postgres_cpu_s", "memory_mb"),
        *("worker_cpu_ms", "postgres_cpu_ms", "round_trips"),
    )
    row: dict[str, Any] = {"trials": trials, "load_average": round(load, 1)}
    row |= {name: worker[name] for name in asked}
    with filled(server, trials) as url, tempfile.TemporaryDirectory() as home:
        _give_attempts(url)
        for name in ("status", "best", "studies", "metrics"):
            words = [name, "--study", STUDY] if name in ("status", "best") else [name]
            row |= {f"{name}_{what}": value for what, value in _command(server, url, home, words).items()}
    return row


def _give_attempts(url: str) -> None:
    """Let the trials be hpotool's own, each with one attempt."""
    connection = Connection(DatabaseUrl.parse(url))
    ensure_schema(connection.url)
    [(study_id,)] = connection.run("SELECT study_id FROM studies")
    orders.adopt_study(connection.run, study_id)
    connection.run(
        "INSERT INTO hpotool.attempts (attempt_id, study_id, trial_id, number, root_number, worker_id, host, pid, "
        "slot, ended_at, outcome) SELECT gen_random_uuid(), study_id, trial_id, number, number, "
        "'w' || number / 99, 'here', 1, 'cpu', clock_timestamp(), 'complete' FROM trials WHERE state = 'COMPLETE'"
    )
    connection.run(
        "INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, to_state) "
        "SELECT study_id, 'finish', trial_id, number, worker_id, 'COMPLETE' FROM hpotool.attempts "
        "ORDER BY trial_id"
    )
    connection.run("ANALYZE hpotool.attempts")
    connection.close()


def _command(server: TestServer, url: str, home: str, words: Sequence[str]) -> dict[str, float]:
    """Wall time, processor time and memory of a command, and processor time of Postgres for it."""
    before, began = postgres_cpu_s(server), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *words],
        env={**os.environ, "HPOTOOL_STORAGE": url, "HPOTOOL_HOME": home},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    memory_kb, cpu_s = done.stderr.split()[-2:]
    return {
        "s": time.perf_counter() - began,
        "cpu_s": float(cpu_s),
        "memory_mb": int(memory_kb) / 1024,
        "postgres_cpu_s": postgres_cpu_s(server) - before,
    }


def measure_idle(server: TestServer, state: str, workers: int, seconds: float) -> dict[str, Any]:
    """Processor time per minute of workers that wait: the study is paused, or its last trial runs elsewhere."""
    with server.database(f"idle_{time.monotonic_ns()}") as url, tempfile.TemporaryDirectory() as home:
        _create(url, ["s0"])
        connection = Connection(DatabaseUrl.parse(url))
        [(study_id,)] = connection.run("SELECT study_id FROM studies")
        _leave_nothing_to_do(connection, study_id, state)
        environment = {**os.environ, "HPOTOOL_STORAGE": url, "HPOTOOL_HOME": home}
        command = [sys.executable, "-m", "hpotool", "worker", "--study", "s0", "--gpu", "none"]
        running = [psutil.Popen(command, env=environment, stderr=subprocess.DEVNULL) for _ in range(workers)]
        try:
            while len(orders.list_workers(connection.run, study_id)) < workers:
                time.sleep(0.2)
            time.sleep(5)  # the start of a worker is over
            load, before = psutil.getloadavg()[0], (_cpu_s(running), postgres_cpu_s(server))
            time.sleep(seconds)
            used = _cpu_s(running) - before[0], postgres_cpu_s(server) - before[1]
        finally:
            for each in running:
                each.terminate()
            for each in running:
                each.wait()
            connection.close()
        per_minute = 60 / seconds / workers * 1000
        return {
            "state": state,
            "workers": workers,
            "seconds": seconds,
            "worker_cpu_ms": used[0] * per_minute,
            "postgres_cpu_ms": used[1] * per_minute,
            "load_average": round(load, 1),
        }


def _leave_nothing_to_do(connection: Connection, study_id: int, state: str) -> None:
    """Pause the study, or give its only place to a trial of plain Optuna, which nobody takes over."""
    if state == "paused":
        orders.set_state(connection.run, study_id, "paused", "", "benchmark")
        return
    connection.run("UPDATE hpotool.study_settings SET budget_trials = 1")
    storage = optuna.storages.RDBStorage(connection.url.sqlalchemy)
    optuna.load_study(study_name="s0", storage=storage).ask()
    storage.engine.dispose()


def _cpu_s(processes: Sequence[psutil.Popen]) -> float:
    family = [member for each in processes for member in (each, *each.children(recursive=True))]
    return sum(sum(member.cpu_times()[:2]) for member in family)


def _create(url: str, names: Sequence[str]) -> None:
    connection = Connection(DatabaseUrl.parse(url))
    for name in names:
        data = {
            "study": name,
            "objective": {"command": ["true"]},
            "metrics": {"value": "minimize"},
            "search_space": {"x": {"float": [0.0, 1.0]}},
            "budget": {"trials": 10**6},
        }
        create_or_resume(connection, read_study_data(data), "benchmark")
    connection.close()


def _roomy(server: TestServer) -> TestServer:
    """The server with places for every connection."""
    server.run("ALTER SYSTEM SET max_connections = 600")
    server.stop()
    server.start()
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, 4096), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return server


if __name__ == "__main__":
    main()
