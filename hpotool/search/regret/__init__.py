"""How much better the optimum of a search space may be than the best trial so far, as models of the trials say.

Imported by the worker, which ends a study by it, and by `analysis`, which shows it. Reads nothing by itself.
"""
