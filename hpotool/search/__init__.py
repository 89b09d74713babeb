"""What to try next: samplers and pruners by the names a study file uses."""
