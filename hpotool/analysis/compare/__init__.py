"""Studies side by side, and whether the best of a new one beats the best of an old one.

For `hpotool compare`. `verdict.py` and `differences.py` are pure.
"""
