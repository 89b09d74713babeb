"""What people do with the database: create, queue, order, import, look.

For `cli`, `analysis` and workers' orders.
"""
