"""Taking part in a fleet: heartbeats, orders, reaping lost workers, time-dependent limits of the budget.

Used by `start` and the loop.
"""
