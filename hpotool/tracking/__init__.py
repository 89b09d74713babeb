"""Observers of trials, which can never make a trial fail."""
