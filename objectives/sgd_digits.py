"""A training script that knows nothing of Optuna or hpotool: arguments in, one line of JSON per epoch out.

Try it by itself: ``python objectives/sgd_digits.py --learning-rate 0.01``
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

EPOCHS = 10


def main() -> None:
    """Train a linear classifier and print its validation accuracy after each epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--alpha", type=float, default=1e-4)
    parser.add_argument("--penalty", choices=["l2", "l1", "elasticnet"], default="l2")
    arguments = parser.parse_args()

    images, labels = load_digits(return_X_y=True)
    train_x, valid_x, train_y, valid_y = train_test_split(
        images / 16.0, labels, test_size=0.25, stratify=labels, random_state=0
    )
    model = SGDClassifier(
        loss="log_loss",
        learning_rate="constant",
        eta0=arguments.learning_rate,
        alpha=arguments.alpha,
        penalty=arguments.penalty,
        random_state=0,
    )
    for step in range(EPOCHS):
        model.partial_fit(train_x, train_y, classes=np.unique(labels))
        # Flushed, so that a pruner can judge the epoch while the next one runs.
        print(json.dumps({"step": step, "accuracy": float(model.score(valid_x, valid_y))}), flush=True)


if __name__ == "__main__":
    main()
