"""Terminal output: tables that fit, short values, the live screen.

Draws data, and does not query it.
"""
