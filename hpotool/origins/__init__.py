"""Reads what attempts come from on this machine: code, data, environment; and brings a recorded origin back.

Knows files, git and URLs, but neither trials nor workers. May be imported by `worker`, `analysis` and above.
"""
