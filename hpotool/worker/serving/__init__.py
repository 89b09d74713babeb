"""What a worker needs to serve a study, whether it serves one alone or several of a pool.

`served_study` wires a study's collaborators; `start.py` and `pool/` use it. Nothing below the worker imports this.
"""
