"""Runnable examples, each short, each run by the tests."""
