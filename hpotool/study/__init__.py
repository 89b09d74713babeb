"""The definition of a study, and decisions based on it: pure functions and values, no I/O, no clock, no SQL."""
