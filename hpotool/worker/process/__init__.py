"""Processes and the channel between them, logs, ends.

Knows neither trials nor storage; all of `worker` may come in.
"""
