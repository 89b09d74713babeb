"""What replicates say about the points that were confirmed: means, differences, probabilities, a sentence."""
