"""A report of studies as one file: HTML that loads nothing, or Markdown for a merge request.

`content.py` says what is in it, as blocks; `html.py` and `markdown.py` write blocks, and escape their texts.
"""
