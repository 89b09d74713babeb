"""Optuna's storage contract on Optuna's own tables, with its memory and its write buffer.

Independent of workers.
"""
