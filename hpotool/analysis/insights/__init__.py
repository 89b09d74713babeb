"""What a study's trials say beyond their values. Pure: trials in, plain data out.

Only `analysis` and the screens of `cli` come in.
"""
