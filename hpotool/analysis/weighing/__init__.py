"""The mathematics of `importance`: a model of the trials, error bars, and a comparison with shuffled columns.

Arrays in, arrays out; knows no studies. `table.py` makes arrays of trials.
"""
