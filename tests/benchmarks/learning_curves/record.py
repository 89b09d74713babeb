"""Train every configuration, and keep the curves: ``python -m tests.benchmarks.learning_curves.record``.

Needs scikit-learn, xgboost and PyTorch, no network: the data are scikit-learn's own, or drawn by it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np
import torch

from tests.benchmarks.learning_curves.ensembles import ENSEMBLES
from tests.benchmarks.learning_curves.networks import NETWORKS
from tests.benchmarks.learning_curves.tables import FOLDER, pack
from tests.benchmarks.learning_curves.training import Training


def record(training: Training) -> None:
    """Train all configurations of one training, and write its table."""
    curves = training.record(training.configurations())
    facts = json.dumps({"use": training.use, "grid": dict(training.grid)})
    np.savez_compressed(FOLDER / f"{training.name}.npz", facts=np.array(facts), **pack(curves))


def main() -> None:
    """Record the trainings that are named, or all."""
    trainings = {training.name: training for training in [*ENSEMBLES, *NETWORKS]}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(trainings)}")
    torch.set_num_threads(1)
    for name in parser.parse_args().names or trainings:
        started = time.monotonic()
        record(trainings[name])
        sys.stdout.write(f"{name}: {time.monotonic() - started:.0f} s\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
