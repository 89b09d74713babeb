"""Commands that describe a study: create, check, enqueue, budget.

Only `cli.app` imports this folder.
"""
