"""Gradient boosted trees on handwritten digits: one report and one chance to be pruned per boosting round.

Accuracy is that on 450 held-out images, always the same ones, so that trials differ by their parameters alone.
"""

from __future__ import annotations

import functools

import numpy as np
import optuna
import xgboost
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

ROUNDS = 120


@functools.cache
def load_data() -> tuple[xgboost.DMatrix, xgboost.DMatrix]:
    """Return the training and the validation images: read and split once per process."""
    images, labels = load_digits(return_X_y=True)
    train_images, valid_images, train_labels, valid_labels = train_test_split(
        images, labels, test_size=0.25, stratify=labels, random_state=0
    )
    return xgboost.DMatrix(train_images, train_labels), xgboost.DMatrix(valid_images, valid_labels)


def objective(trial: optuna.Trial) -> float:
    """Return the validation accuracy after the last round."""
    parameters = {
        "learning_rate": trial.suggest_float("learning_rate", 0.05, 0.5, log=True),
        "min_child_weight": trial.suggest_float("min_child_weight", 0.1, 10.0, log=True),
        "subsample": trial.suggest_float("subsample", 0.4, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.1, 1.0),
        "grow_policy": trial.suggest_categorical("grow_policy", ["depthwise", "lossguide"]),
    }
    # Conditional parameters: each way to grow a tree has its own limit.
    if parameters["grow_policy"] == "depthwise":
        parameters["max_depth"] = trial.suggest_int("max_depth", 2, 8)
    else:
        parameters["max_leaves"] = trial.suggest_int("max_leaves", 4, 64, log=True)

    train, valid = load_data()
    model = xgboost.Booster(
        # One thread: several workers share a machine, and each has its own trial to keep busy with.
        {**parameters, "objective": "multi:softmax", "num_class": 10, "max_bin": 17, "nthread": 1, "seed": 0},
        cache=[train, valid],
    )
    accuracy = 0.0
    for step in range(ROUNDS):
        model.update(train, step)
        accuracy = float(np.mean(model.predict(valid) == valid.get_label()))
        trial.report(accuracy, step)
        if trial.should_prune():
            raise optuna.TrialPruned(f"accuracy {accuracy:.3f} after {step + 1} rounds")
    return accuracy
