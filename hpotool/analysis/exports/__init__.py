"""Exports a study to files: trials, parameters, a study file.

Used by `hpotool export` and `init`.
"""
