"""What a script or a notebook uses: studies, workers and results by the same words as the command line."""
