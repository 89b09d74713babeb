"""As Optuna's public XGBoost example writes it: optuna-integration's callback reports and prunes by itself."""

import optuna
import xgboost
from optuna_integration import XGBoostPruningCallback
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split


def objective(trial: optuna.Trial) -> float:
    data, target = load_breast_cancer(return_X_y=True)
    train_x, valid_x, train_y, valid_y = train_test_split(data, target, test_size=0.25, random_state=0)
    dtrain, dvalid = xgboost.DMatrix(train_x, label=train_y), xgboost.DMatrix(valid_x, label=valid_y)
    param = {
        "verbosity": 0,
        "nthread": 1,
        "objective": "binary:logistic",
        "eval_metric": "auc",
        "booster": trial.suggest_categorical("booster", ["gbtree", "gblinear", "dart"]),
        "lambda": trial.suggest_float("lambda", 1e-8, 1.0, log=True),
        "alpha": trial.suggest_float("alpha", 1e-8, 1.0, log=True),
        "seed": 0,
    }
    if param["booster"] == "gblinear":
        param["updater"] = "coord_descent"  # the default one gives another result each time
    if param["booster"] in ("gbtree", "dart"):
        param["max_depth"] = trial.suggest_int("max_depth", 1, 9)
        param["eta"] = trial.suggest_float("eta", 1e-8, 1.0, log=True)
        param["gamma"] = trial.suggest_float("gamma", 1e-8, 1.0, log=True)
        param["grow_policy"] = trial.suggest_categorical("grow_policy", ["depthwise", "lossguide"])
    if param["booster"] == "dart":
        param["sample_type"] = trial.suggest_categorical("sample_type", ["uniform", "weighted"])
        param["rate_drop"] = trial.suggest_float("rate_drop", 1e-8, 1.0, log=True)
    callback = XGBoostPruningCallback(trial, "validation-auc")
    booster = xgboost.train(
        param, dtrain, num_boost_round=20, evals=[(dvalid, "validation")], verbose_eval=False, callbacks=[callback]
    )
    return float(accuracy_score(valid_y, booster.predict(dvalid).round()))
