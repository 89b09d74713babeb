"""Tells others about a study, and can never fail a trial: exporters, and the notifier in `notify/`.

Both work in processes of their own, from the database alone. For the commands `track` and `notify`, and for the
worker that starts such a process beside itself.
"""
