"""Commands for many machines: launching workers, the table of them, what may be wrong.

Only `cli.app` comes in.
"""
