"""A study as files: trials, parameters, a study file.

For `hpotool export` and `init`.
"""
