"""Whole studies from elsewhere: other Optuna storages, tables of trials, another study of this database.

Only `cli` comes in.
"""
