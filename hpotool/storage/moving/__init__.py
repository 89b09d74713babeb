"""Copies whole studies: from other Optuna storages, tables of trials, or another study in this database.

Only `cli` imports this folder.
"""
