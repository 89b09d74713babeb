"""The interface for scripts and notebooks: studies, workers and results, with the command line's vocabulary."""
