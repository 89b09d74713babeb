"""Points measured again with fresh seeds: what was ordered, how sure the answer is, and whether it takes more.

Pure mathematics and data; numpy, no I/O. Workers, commands and `hpotool.analysis.confirmation` come in.
"""
