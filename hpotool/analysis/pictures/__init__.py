"""Plots of a study, as pages and as images.

Used by `hpotool plot`; needs the extra `plot`.
"""
