"""Drafts study files from scripts and other tools' sweeps. Text in, text out.

Used by `cli`, `analysis` and `storage.moving`; runs and imports no user code.
"""
