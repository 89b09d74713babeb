"""Commands that run a study: workers and their orders.

Only `cli.app` comes in.
"""
