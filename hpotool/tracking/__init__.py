"""Exporters and, in `notify/`, the notifier. Neither can ever fail a trial.

Both work in processes of their own, from the database alone. Imported by the commands `track` and `notify`, and
by the worker that starts such a process beside itself.
"""
