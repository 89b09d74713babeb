"""Commands that put a study's results to use.

Only `cli.app` imports this folder.
"""
