"""One attempt on the worker's side: sampling, running, judging, supervising, and answering its questions.

Used by the loop.
"""
