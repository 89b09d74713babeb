"""Commands about what a study's result is good for.

Only `cli.app` comes in.
"""
