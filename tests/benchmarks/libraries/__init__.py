"""Other libraries as Optuna's samplers, so that the search benchmark runs them like the rest."""
