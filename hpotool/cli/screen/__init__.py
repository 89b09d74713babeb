"""What a terminal shows: tables that fit, short values, the live screen.

Draws data that others found.
"""
