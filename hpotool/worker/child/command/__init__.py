"""A command as the objective: its arguments, its output, its reports.

Only `child` imports this folder.
"""
