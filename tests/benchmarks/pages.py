"""How long a page of a study with many trials takes: rendered whole, on a real database.

    python -m tests.benchmarks.pages [--trials 10000] [--runs 9] [--json FILE]

The first visit also loads the study's trials, which stay in the server's memory. Processor time is this process's
alone, without Postgres; on a busy machine it says more than the time on the clock.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import optuna

from hpotool.storage.control.orders import adopt_study
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.schema import ensure_schema
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.open import open_storage
from hpotool.web.exchange import Request
from hpotool.web.pages import Pages
from tests.benchmarks.fill import fill_study
from tests.postgres import open_run_folder, private_server

STUDY = ("studies", "1")
PAGES = {
    "the fleet": Request("GET", ()),
    "the study": Request("GET", STUDY),
    "its newest trials": Request("GET", (*STUDY, "trials")),
    "page 100 of them": Request("GET", (*STUDY, "trials"), {"page": "100"}),
    "sorted by the value": Request("GET", (*STUDY, "trials"), {"sort": "value"}),
    "a condition on a parameter": Request("GET", (*STUDY, "trials"), {"sort": "value", "where": "x1>3"}),
    "a condition on the reason": Request("GET", (*STUDY, "trials"), {"where": "reason~nan"}),
    "one trial": Request("GET", (*STUDY, "trials", "77")),
}
# Each trial has an attempt with forty lines of output; every twentieth ended in an error.
_ATTEMPTS = """
INSERT INTO hpotool.attempts (attempt_id, study_id, trial_id, number, root_number, worker_id, host, pid, slot,
    started_at, ended_at, outcome, reason, output_tail)
SELECT gen_random_uuid(), study_id, trial_id, number, number, 'worker-' || mod(number, 16),
    'gpu-' || mod(number, 4), 1, 'GPU-' || mod(number, 4), now() - interval '1 day' + number * interval '5 s',
    now() - interval '1 day' + number * interval '5 s' + interval '60 s',
    CASE mod(number, 20) WHEN 0 THEN 'error' ELSE 'complete' END,
    CASE mod(number, 20) WHEN 0 THEN 'ValueError: loss is nan' ELSE '' END,
    repeat('epoch 1 loss 0.5' || chr(10), 40)
FROM trials WHERE study_id = %s
"""


def main() -> None:
    """Measure, print, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    alive = open_run_folder()
    server = private_server()
    try:
        with server.database("bench") as url:
            figures = measure(fill(url, asked.trials), asked.runs)
    finally:
        server.cluster.stop()
        alive.close()
    for name, figure in figures.items():
        shown = "   ".join(f"{key} {value}" for key, value in figure.items())
        sys.stdout.write(f"{name:<28} {shown}\n")
    if asked.json:
        asked.json.write_text(json.dumps({"trials": asked.trials, "pages": figures}, indent=1) + "\n")


def fill(url: str, trials: int) -> Pages:
    """The pages of a database with one study."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    parsed = DatabaseUrl.parse(url)
    study = optuna.create_study(study_name="bench", storage=open_storage(parsed.sqlalchemy))
    ensure_schema(parsed)
    connection = Connection(parsed)
    adopt_study(connection.run, study._study_id)
    fill_study(connection, study._study_id, trials)
    connection.run(_ATTEMPTS, (study._study_id,))
    connection.run("ANALYZE")
    return Pages(open_storage(parsed.sqlalchemy), may_act=False)


def measure(pages: Pages, runs: int) -> dict[str, dict[str, float]]:
    """Seconds per page on the clock and of the processor, and its size. A study's status is never from before."""
    figures = {}
    for name, request in PAGES.items():
        first = _time(pages, request)
        later = [_time(pages, request) for _ in range(runs)]
        figures[name] = {
            "first_s": round(first[0], 3),
            "median_s": round(statistics.median(wall for wall, _, _ in later), 3),
            "processor_s": round(statistics.median(processor for _, processor, _ in later), 3),
            "kib": first[2] // 1024,
        }
    return figures


def _time(pages: Pages, request: Request) -> tuple[float, float, int]:
    pages._source.forget(1)
    wall, processor = time.perf_counter(), time.process_time()
    response = pages.answer(request)
    took = time.perf_counter() - wall, time.process_time() - processor
    assert response.status == "200 OK", response.body
    return (*took, len(response.body))


if __name__ == "__main__":
    main()
