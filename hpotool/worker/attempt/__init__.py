"""One attempt seen from the worker: sample, run, judge, with its monitor and its trial's answers.

For the loop.
"""
