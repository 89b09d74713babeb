"""Database operations of people: create, queue, order, import, look.

Used by `cli` and `analysis`, and by workers for orders.
"""
