"""Starts workers somewhere; knows nothing about trials."""
