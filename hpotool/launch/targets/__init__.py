"""Where workers are launched: one module for each target, which renders a plan and reads the state of its jobs.

For the commands, by way of `open.py`, and for `launch.start`.
"""
