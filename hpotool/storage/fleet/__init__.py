"""What workers do with the database: claim, beat, finish, spool.

For `worker`, and for `control`.
"""
