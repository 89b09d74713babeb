"""Which trials go on from which: tiers and populations.

For the worker's branches.
"""
