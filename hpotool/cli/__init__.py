"""Talks to people and scripts; decides nothing. Typer and Rich live here only."""
