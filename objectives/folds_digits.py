"""Cross-validation with its folds as steps, a pruner made for that, and a test set that is looked at once.

The search trains on nine folds of the development data and tests on the tenth, ten times over; after each fold it
reports that fold's error, so that the Wilcoxon pruner can end what loses fold by fold. The folds are the same for
all trials of the search: the pruner compares them pair by pair. A confirmation cuts other folds for each seed. The
final training is the only one that sees the test set.
"""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import numpy as np
import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.svm import SVC

import hpotool

FOLDS = 10

IMAGES, LABELS = load_digits(return_X_y=True)
DEVELOP, TEST, DEVELOP_LABELS, TEST_LABELS = train_test_split(
    IMAGES / 16, LABELS, train_size=300, stratify=LABELS, random_state=0
)


def objective(trial: optuna.Trial) -> float:
    """Return the cross-validated error of a support vector machine; finally, its error on the test set."""
    settings = {
        "C": trial.suggest_float("C", 1e-2, 1e3, log=True),
        "gamma": trial.suggest_float("gamma", 1e-4, 1.0, log=True),
        "kernel": trial.suggest_categorical("kernel", ["rbf", "poly"]),
    }
    if hpotool.phase() == "final":
        return train_finally(settings)
    cut = hpotool.seed() % 2**32 if hpotool.phase() == "confirm" else 0
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=cut).split(DEVELOP, DEVELOP_LABELS)
    errors: list[float] = []
    for fold, (train, valid) in enumerate(folds):
        model = SVC(**settings).fit(DEVELOP[train], DEVELOP_LABELS[train])
        errors.append(1 - model.score(DEVELOP[valid], DEVELOP_LABELS[valid]))
        trial.report(errors[-1], fold)
        if trial.should_prune():
            raise optuna.TrialPruned
    return float(np.mean(errors))


def train_finally(settings: dict[str, object]) -> float:
    """Train on all development data, keep the model, and look at the test set: the one that ``holdout`` names."""
    assert hpotool.holdout() == ["test"]
    model = SVC(**settings).fit(DEVELOP, DEVELOP_LABELS)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.pkl"
        file.write_bytes(pickle.dumps(model))
        hpotool.log_artifact(file)
    return 1 - float(model.score(TEST, TEST_LABELS))
