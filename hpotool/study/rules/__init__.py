"""What follows from what: budget, retry, replicates, grid.

Pure decisions; others act on them.
"""
