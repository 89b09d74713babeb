"""Where a study is exported to: one module for each tracker, which alone imports that tracker's library.

For `tracking.exporter`, by way of `open.py`.
"""
