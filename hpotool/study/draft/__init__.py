"""Drafts of study files, from what people have already: scripts and other tools' sweeps. Text in, text out.

For `cli`, `analysis` and `storage.moving`; nothing is run or imported.
"""
