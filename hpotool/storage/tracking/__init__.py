"""What jobs beside the workers read and keep: who does one, what is exported, what people are told.

For `tracking`, and the commands `track` and `notify`.
"""
