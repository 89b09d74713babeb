"""One attempt seen from the worker: sample, run, judge, with its watch and its trial's answers.

For the loop.
"""
