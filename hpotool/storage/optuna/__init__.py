"""Optuna's storage contract on Optuna's own tables, with its memory and its write buffer.

Knows no workers.
"""
