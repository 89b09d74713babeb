"""Answers questions about a study as plain data; prints nothing."""
