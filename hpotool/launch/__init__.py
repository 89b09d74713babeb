"""Starts workers. Knows nothing about trials."""
