"""Reads one YAML document with the place of each value, and puts its syntax errors into words.

Knows nothing of studies; used by whatever reads a file from a person.
"""
