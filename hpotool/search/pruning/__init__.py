"""Pruners by name, and faster versions of Optuna's.

Used by workers and scripts.
"""
