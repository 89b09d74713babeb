"""The command line, for people and shell scripts. Makes no decisions; the only user of Typer and Rich."""
