"""Pruners by name, and those of Optuna over columns instead of trials.

For workers and scripts.
"""
