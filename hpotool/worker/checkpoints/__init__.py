"""Where checkpoints are kept, here and at a URL, and what is left over.

For `attempt` and `hpotool clean`.
"""
