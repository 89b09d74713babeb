"""Starts workers, here and on other machines. Knows nothing about trials.

A target (`targets/`) renders a plan (`plan.py`) from a request (`request.py`) and reads the state of its jobs;
`start.py` carries out plans and records them.
"""
