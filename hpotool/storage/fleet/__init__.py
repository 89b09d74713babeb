"""Database operations of workers: claim, heartbeat, finish, spool.

Used by `worker` and `control`.
"""
