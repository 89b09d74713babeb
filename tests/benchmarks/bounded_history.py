"""Does TPE find less when it looks at a bounded history? `python -m tests.benchmarks.bounded_history`

A study with a long history, as a sampler has left it: most trials near what was good when they ran, the rest
spread. From there, the same seeds, once with the whole history and once with the bounded one: the best of the next
trials, as regret (0 is the optimum, 1 a median random point), paired by problem and seed.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from hpotool.search import tpe
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.open import open_storage
from tests.postgres import open_run_folder, private_server

Array = np.ndarray[Any, Any]

DIMENSIONS = 6
HISTORY = 6_000
NEXT = 60
SEEDS = 5
_SPACE = optuna.distributions.FloatDistribution(-5, 5)

_OPTIMUM = np.array([1.3, -2.1, 0.4, 3.2, -3.9, 2.2])


def _sphere(x: Array) -> Array:
    return ((x - _OPTIMUM) ** 2).sum(axis=-1)


def _rosenbrock(x: Array) -> Array:
    z = x - _OPTIMUM + 1
    return (100 * (z[..., 1:] - z[..., :-1] ** 2) ** 2 + (1 - z[..., :-1]) ** 2).sum(axis=-1)


def _rastrigin(x: Array) -> Array:
    z = x - _OPTIMUM
    return (z * z - 10 * np.cos(2 * math.pi * z) + 10).sum(axis=-1)


def _ackley(x: Array) -> Array:
    z = x - _OPTIMUM
    far = -20 * np.exp(-0.2 * np.sqrt((z * z).mean(axis=-1)))
    return far - np.exp(np.cos(2 * math.pi * z).mean(axis=-1)) + 20 + math.e


PROBLEMS: dict[str, Callable[[Array], Array]] = {
    "sphere": _sphere,
    "rosenbrock": _rosenbrock,
    "rastrigin": _rastrigin,
    "ackley": _ackley,
}

_FILL = """
insert into trials (number, study_id, state, datetime_start, datetime_complete)
select n - 1, %(study_id)s, 'COMPLETE', now(), now() from generate_series(1, %(trials)s) n order by n;
insert into trial_values (trial_id, objective, value, value_type)
select trial_id, 0, (%(values)s::float8[])[number + 1], 'FINITE' from trials where study_id = %(study_id)s;
insert into trial_params (trial_id, param_name, param_value, distribution_json)
select trial_id, 'x' || d, (%(points)s::float8[])[number * %(dimensions)s + d + 1], %(distribution)s
from trials, generate_series(0, %(dimensions)s - 1) d where study_id = %(study_id)s order by trial_id, d
"""


def history(problem: Callable[[Array], Array], seed: int) -> Array:
    """Points as a search leaves them: one in ten anywhere, the rest near one of the best ten so far."""
    random = np.random.default_rng(seed)
    points = random.uniform(-5, 5, (HISTORY, DIMENSIONS))
    losses = problem(points[:100]).tolist()
    for place in range(100, HISTORY):
        if random.random() > 0.1:
            parent = points[int(random.choice(np.argpartition(losses, 10)[:10]))]
            width = 10 / math.sqrt(place)
            points[place] = np.clip(parent + random.normal(0, width, DIMENSIONS), -5, 5)
        losses.append(float(problem(points[place])))
    return points


def regret(connection: Connection, problem: str, seed: int, longest_history: int) -> tuple[float, float]:
    """The best regret among the next trials, and before them."""
    evaluate = PROBLEMS[problem]
    storage = open_storage(connection.url.sqlalchemy)
    sampler = tpe.FastTPESampler(seed=seed)
    study = optuna.create_study(storage=storage, sampler=sampler)
    points = history(evaluate, seed)
    values = evaluate(points)
    asked = {
        "study_id": study._study_id, "trials": HISTORY, "values": values.tolist(), "dimensions": DIMENSIONS,
        "points": points.ravel().tolist(), "distribution": optuna.distributions.distribution_to_json(_SPACE),
    }  # fmt: skip
    connection.run(_FILL, asked)
    tpe.LONGEST_HISTORY = longest_history
    found = []
    for _ in range(NEXT):
        trial = study.ask()
        point = np.array([trial.suggest_float(f"x{place}", -5, 5) for place in range(DIMENSIONS)])
        found.append(float(evaluate(point)))
        study.tell(trial, found[-1])
    typical = float(np.median(evaluate(np.random.default_rng(0).uniform(-5, 5, (20_000, DIMENSIONS)))))
    return min(found) / typical, float(values.min()) / typical


def main() -> None:
    """Compare, and print the pairs' statistics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=None, help="add the figures to this JSON file")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    alive = open_run_folder()
    server = private_server()
    try:
        with server.database("bounded") as url:
            results = _compare(Connection(DatabaseUrl.parse(url)))
    finally:
        server.stop()
        alive.close()
    sys.stdout.write(json.dumps(results, indent=1) + "\n")
    if asked.output is not None:
        figures = json.loads(asked.output.read_text())
        asked.output.write_text(json.dumps({**figures, "bounded_history": results}, indent=1) + "\n")


def _compare(connection: Connection) -> dict[str, Any]:
    bound = tpe.LONGEST_HISTORY
    rows = []
    for problem in PROBLEMS:
        for seed in range(SEEDS):
            whole, before = regret(connection, problem, seed, HISTORY * 2)
            bounded, _ = regret(connection, problem, seed, bound)
            rows.append({"problem": problem, "seed": seed, "before": before, "whole": whole, "bounded": bounded})
            sys.stderr.write(f"{rows[-1]}\n")
    return {"history": HISTORY, "bound": bound, "next": NEXT, "pairs": rows, **_statistics(rows)}


def _statistics(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    differences = [row["bounded"] - row["whole"] for row in rows]
    return {
        "mean_whole": statistics.mean(row["whole"] for row in rows),
        "mean_bounded": statistics.mean(row["bounded"] for row in rows),
        "mean_difference": statistics.mean(differences),
        "standard_error": statistics.stdev(differences) / math.sqrt(len(differences)),
        "bounded_is_better": sum(difference < 0 for difference in differences),
        "pairs_compared": len(differences),
    }


if __name__ == "__main__":
    main()
