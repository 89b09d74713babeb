"""What a final training leaves behind, and where that is kept.

The worker hands its results to the keeper; commands read what it kept.
"""
