"""A drill: a scratch study that is attacked while workers serve it, and what must hold of it afterwards.

`invariants` is pure and is what the fault tests use too. Used by `cli` alone.
"""
