"""Plots of a study, as pages and as images.

For `hpotool plot`; needs the extra `plot`.
"""
