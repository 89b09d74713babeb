"""YAML text to a `StudySpec`, or every mistake at once; and back.

For `cli` and `storage`; `spec` knows nothing of it.
"""
