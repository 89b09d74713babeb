"""Stores checkpoints, on this machine and at a URL, and finds leftovers.

Used by `attempt` and `hpotool clean`.
"""
