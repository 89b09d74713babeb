"""One process for one slot: claims trials, runs their attempts, tells what came out."""
