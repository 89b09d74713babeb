"""Commands that look at a study.

They answer and change nothing, but for the key of `watch` that pauses. Only `cli.app` comes in.
"""
