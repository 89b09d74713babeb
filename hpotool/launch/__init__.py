"""Starts workers somewhere; knows nothing about trials.

A target is one module: `machine`, `ssh`, `slurm`, `kubernetes`. Each renders a plan (`plan.py`) from a request
(`request.py`) and reads what the system says of its jobs; `start.py` carries plans out and keeps the record.
"""
