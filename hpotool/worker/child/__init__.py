"""Inside the attempt's process: the objective and its trial.

Never reaches the storage; `attempt` starts it.
"""
