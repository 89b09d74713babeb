"""The mathematics of the default sampler: Gaussian processes and acquisition.

Works on arrays, independent of studies.
"""
