"""Pruners on the learning curves of real trainings, recorded once."""
