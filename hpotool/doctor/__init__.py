"""What may be wrong with this machine, the database, a study and the machines of a fleet, each with its remedy.

A check is a function that looks at facts and returns a `Finding`; each module ends with a `Ward` that names its
checks. Nothing here changes anything.
"""
