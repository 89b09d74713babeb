"""A worker of a pool: one process for one slot that serves several studies, one trial after another.

`start_pool` wires it; the loop takes one turn after another, each of a study that the database chooses.
"""
