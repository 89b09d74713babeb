"""Two metrics that pull apart: how often a random forest reads a digit right, and how many kilobytes it takes."""

from __future__ import annotations

import functools
import pickle
from typing import Any

import optuna
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split


@functools.cache
def load_data() -> tuple[Any, Any, Any, Any]:
    """Return training and validation images and their labels; the split is always the same."""
    images, labels = load_digits(return_X_y=True)
    return tuple(train_test_split(images, labels, test_size=0.25, stratify=labels, random_state=0))


def objective(trial: optuna.Trial) -> tuple[float, float]:
    """Return accuracy (to be maximised) and size in kilobytes (to be minimised)."""
    train_images, valid_images, train_labels, valid_labels = load_data()
    forest = RandomForestClassifier(
        n_estimators=trial.suggest_int("trees", 2, 100, log=True),
        max_depth=trial.suggest_int("max_depth", 2, 14),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 1, 20, log=True),
        max_features=trial.suggest_float("max_features", 0.05, 0.5, log=True),
        n_jobs=1,
        random_state=0,
    ).fit(train_images, train_labels)
    return float(forest.score(valid_images, valid_labels)), len(pickle.dumps(forest)) / 1000.0
