"""The mathematics of the default sampler: Gaussian processes and acquisition.

Knows arrays, no studies.
"""
