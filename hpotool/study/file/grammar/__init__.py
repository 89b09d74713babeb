"""Every key of a study file: its kind, its meaning, its JSON schema.

``study`` lists the keys; ``kinds`` has what a value may be. Read by the rest of ``study/file``.
"""
