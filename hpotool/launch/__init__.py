"""Starts workers, here and on other machines. Knows nothing about trials.

A target is one module: `machine`, `ssh`, `slurm`, `kubernetes`. Each renders a plan (`plan.py`) from a request
(`request.py`) and reads the state of its jobs from the system; `start.py` carries out plans and records them.
"""
