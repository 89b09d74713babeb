"""Reads YAML text into a `StudySpec`, or reports all its mistakes; and writes it back.

Used by `cli` and `storage`; `spec` does not depend on it.
"""
