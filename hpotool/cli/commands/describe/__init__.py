"""Commands that describe a study: create, check, enqueue, budget.

Only `cli.app` comes in.
"""
