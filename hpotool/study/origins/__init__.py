"""What a result comes from (code, data, environment), and how two of them differ. Pure.

May be imported by every layer above `study`.
"""
