"""Commands that manage studies, the database and the disk.

Only `cli.app` imports this folder.
"""
