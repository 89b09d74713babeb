"""Code inside the attempt's process: the objective and its trial.

Never accesses the storage; `attempt` starts it.
"""
