"""An objective whose module imports torch and which does almost nothing itself."""

import optuna
import torch


def objective(trial: optuna.Trial) -> float:
    """Suggests ten parameters, multiplies two small matrices, reports twenty times."""
    value = sum(trial.suggest_float(f"x{place}", -5, 5) ** 2 for place in range(10))
    matrix = torch.ones(64, 64) @ torch.ones(64, 64)
    for step in range(20):
        trial.report(value + float(matrix[0, 0]), step)
        trial.should_prune()
    return value
