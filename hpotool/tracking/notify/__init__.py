"""Tells people what happens in a study: who notices, where it goes, how it is sent once.

For the command `notify`, and the worker that starts it beside itself.
"""
