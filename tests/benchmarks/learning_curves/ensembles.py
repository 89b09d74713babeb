"""Boosted trees, forests and linear models: a step is a round, a few trees, or an epoch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import xgboost
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    make_classification,
    make_friedman1,
    make_friedman3,
    make_hastie_10_2,
)
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingRegressor
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPRegressor

from tests.benchmarks.learning_curves.training import Array, Configuration, Training, one_by_one, standard_split


def _xgboost_curve(data: tuple[Array, ...], rounds: int, metric: str, **fixed: Any) -> Any:
    train, valid = xgboost.DMatrix(data[0], data[1]), xgboost.DMatrix(data[2], data[3])

    def curve_of(configuration: Configuration) -> list[float]:
        seen: dict[str, Any] = {}
        settings = {"eval_metric": metric, "nthread": 1, "seed": 0, **fixed, **configuration}
        xgboost.train(settings, train, rounds, evals=[(valid, "valid")], evals_result=seen, verbose_eval=False)
        return list(seen["valid"][metric])

    return curve_of


def _boosting_digits(configuration: Configuration) -> list[float]:
    data = standard_split(*load_digits(return_X_y=True))
    curve: list[float] = _xgboost_curve(data, 40, "merror", objective="multi:softprob", num_class=10)(
        configuration
    )
    return curve


def _boosting_hastie(configuration: Configuration) -> list[float]:
    inputs, targets = make_hastie_10_2(3_000, random_state=1)
    data = standard_split(inputs, (targets > 0).astype(float))
    curve: list[float] = _xgboost_curve(data, 80, "logloss", objective="binary:logistic")(configuration)
    return curve


def _boosting_diabetes(configuration: Configuration) -> list[float]:
    data = standard_split(*load_diabetes(return_X_y=True))
    curve: list[float] = _xgboost_curve(data, 40, "rmse", objective="reg:squarederror")(configuration)
    return curve


def _boosting_classes(configuration: Configuration) -> list[float]:
    inputs, targets = make_classification(
        800, 15, n_informative=6, n_redundant=3, n_classes=3, flip_y=0.1, random_state=5
    )
    data = standard_split(inputs, targets.astype(float))
    curve: list[float] = _xgboost_curve(data, 60, "mlogloss", objective="multi:softprob", num_class=3)(
        configuration
    )
    return curve


def _boosting_friedman(configuration: Configuration) -> list[float]:
    inputs, targets, held_inputs, held_targets = standard_split(*make_friedman1(900, noise=1.0, random_state=2))
    model = GradientBoostingRegressor(n_estimators=60, random_state=0, **configuration).fit(inputs, targets)
    return [float(np.sqrt(np.mean((p - held_targets) ** 2))) for p in model.staged_predict(held_inputs)]


def _forest_digits(configuration: Configuration) -> list[float]:
    inputs, targets, held_inputs, held_targets = standard_split(*load_digits(return_X_y=True))
    model = ExtraTreesClassifier(warm_start=True, random_state=0, **configuration)
    curve = []
    for trees in range(2, 82, 2):
        model.set_params(n_estimators=trees).fit(inputs, targets)
        curve.append(log_loss(held_targets, np.clip(model.predict_proba(held_inputs), 1e-3, 1), labels=range(10)))
    return curve


def _linear(data: tuple[Array, ...], epochs: int, configuration: Configuration) -> list[float]:
    inputs, targets, held_inputs, held_targets = data
    model = SGDClassifier(loss="log_loss", random_state=0, **configuration)
    classes, rng, curve = np.unique(targets), np.random.default_rng(0), []
    for _ in range(epochs):
        order = rng.permutation(len(inputs))
        model.partial_fit(inputs[order], targets[order], classes)
        chances = np.clip(np.nan_to_num(model.predict_proba(held_inputs)), 1e-4, 1)
        curve.append(float(log_loss(held_targets, chances / chances.sum(axis=1, keepdims=True), labels=classes)))
    return curve


def _linear_cancer(configuration: Configuration) -> list[float]:
    return _linear(standard_split(*load_breast_cancer(return_X_y=True)), 30, configuration)


def _linear_digits(configuration: Configuration) -> list[float]:
    return _linear(standard_split(*load_digits(return_X_y=True)), 25, configuration)


def _perceptron(
    inputs: Array, targets: Array, epochs: int, batch: int, configuration: Configuration
) -> list[float]:
    inputs, targets, held_inputs, held_targets = standard_split(inputs, targets)
    mean, deviation = targets.mean(), targets.std()
    model = MLPRegressor(random_state=0, batch_size=batch, **configuration)
    curve = []
    for _ in range(epochs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                model.partial_fit(inputs, (targets - mean) / deviation)
                error = model.predict(held_inputs) * deviation + mean - held_targets
                curve.append(float(np.sqrt(np.mean(error**2))))
            except ValueError:  # its weights are infinite
                curve.append(float("inf"))
    return curve


def _perceptron_diabetes(configuration: Configuration) -> list[float]:
    return _perceptron(*load_diabetes(return_X_y=True), 50, 32, configuration)


def _perceptron_friedman(configuration: Configuration) -> list[float]:
    return _perceptron(*make_friedman3(500, noise=0.1, random_state=6), 40, 50, configuration)


_RATES = [0.01, 0.03, 0.06, 0.12, 0.25, 0.5, 0.9]
_TREES = {"eta": _RATES[1:], "max_depth": [2, 3, 5, 8]}
_SLOPES = {
    "alpha": [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1],
    "eta0": [1e-4, 1e-3, 1e-2, 0.1, 0.5, 2.0],
    "penalty": ["l1", "l2", "elasticnet"],
    "learning_rate": ["constant", "invscaling"],
}
ENSEMBLES = [
    Training(
        "boosting-digits",
        "reported",
        {**_TREES, "subsample": [0.4, 0.7, 1.0], "colsample_bytree": [0.1, 0.3, 0.6, 1.0]},
        one_by_one(_boosting_digits),
    ),
    Training(
        "boosting-hastie",
        "reported",
        {**_TREES, "lambda": [0.1, 1.0, 10.0], "min_child_weight": [1, 5, 20]},
        one_by_one(_boosting_hastie),
    ),
    Training(
        "boosting-friedman",
        "reported",
        {
            "learning_rate": _RATES,
            "max_depth": [1, 2, 4, 6],
            "subsample": [0.3, 0.6, 1.0],
            "max_features": [2, 5, 10],
        },
        one_by_one(_boosting_friedman),
    ),
    Training(
        "forest-digits",
        "reported",
        {
            "max_features": [1, 2, 4, 8, 16, 32],
            "min_samples_leaf": [1, 2, 4, 8],
            "max_depth": [4, 7, 10, 20],
            "bootstrap": [False, True],
        },
        one_by_one(_forest_digits),
    ),
    Training("linear-cancer", "reported", _SLOPES, one_by_one(_linear_cancer)),
    Training(
        "perceptron-diabetes",
        "reported",
        {
            "learning_rate_init": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2],
            "alpha": [1e-3, 0.1, 3.0],
            "hidden_layer_sizes": [4, 16, 64, 128],
            "activation": ["relu", "tanh", "logistic"],
        },
        one_by_one(_perceptron_diabetes),
    ),
    Training(
        "boosting-diabetes",
        "tuning",
        {**_TREES, "subsample": [0.4, 0.7, 1.0], "min_child_weight": [1, 5, 20]},
        one_by_one(_boosting_diabetes),
    ),
    Training(
        "boosting-classes",
        "tuning",
        {**_TREES, "subsample": [0.4, 0.7, 1.0], "lambda": [0.1, 1.0, 10.0]},
        one_by_one(_boosting_classes),
    ),
    Training(
        "perceptron-friedman",
        "tuning",
        {
            "learning_rate_init": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2],
            "alpha": [1e-3, 0.1, 3.0],
            "hidden_layer_sizes": [4, 16, 64],
            "activation": ["relu", "tanh", "logistic"],
        },
        one_by_one(_perceptron_friedman),
    ),
    Training("linear-digits", "tuning", _SLOPES, one_by_one(_linear_digits)),
]
