"""Commands that look at a study.

They answer and change nothing. Only `cli.app` comes in.
"""
