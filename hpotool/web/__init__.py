"""hpotool's own pages in a browser, beside optuna-dashboard's: the fleet, a study, its trials, one trial.

Rendered here, from the functions that the commands use, so both show the same figures. Only `cli` comes in.
"""
