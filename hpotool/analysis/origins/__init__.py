"""What the results of a study come from, and what differs between them.

May be imported by `api`, `cli` and `doctor`.
"""
