"""Commands that run a study: workers, and orders to them.

Only `cli.app` imports this folder.
"""
