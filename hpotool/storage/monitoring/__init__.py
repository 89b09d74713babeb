"""Reading what a platform watches: what a drill proves itself by, and the numbers behind ``/metrics``.

Used by `drill` and `server`. Nothing here writes.
"""
