"""Commands that show a study.

They change nothing, except that a key of `watch` pauses the study. Only `cli.app` imports this folder.
"""
