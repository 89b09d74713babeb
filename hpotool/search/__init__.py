"""Chooses the next point: samplers and pruners, by their names in study files."""
