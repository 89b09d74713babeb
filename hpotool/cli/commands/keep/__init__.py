"""Commands that keep the database and the disk.

Only `cli.app` comes in.
"""
