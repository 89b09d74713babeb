"""Processes, the channel between them, logs, and how attempts end.

Independent of trials and storage; all of `worker` may import it.
"""
