"""Commands for many machines: launching and listing workers, and finding problems.

Only `cli.app` comes in.
"""
