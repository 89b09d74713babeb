"""Decides which trials continue others: tiers and populations.

Used for the worker's branches.
"""
