"""What the learning curves of a study say about itself.

For `status`, `check` and reports.
"""
