"""One process for one slot: claims trials, runs their attempts, stores the results."""
