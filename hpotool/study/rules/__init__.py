"""Decisions about studies and trials: budget, retry, replicates, grid.

Pure; other packages act on them.
"""
