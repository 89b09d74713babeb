"""Code that users name as ``module:name``, and where it is looked up."""

from __future__ import annotations

import sys
from pathlib import Path


def search_working_folder() -> str:
    """Put the working directory first on the module search path, as ``python -m`` does; return it."""
    folder = str(Path.cwd())
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    return folder


def where_looked_up() -> str:
    """The hint to a module that cannot be imported."""
    return f"it was looked up in {Path.cwd()} and in the installed packages of {sys.executable}"


def where_read(module: object) -> str:
    """The hint to a module that lacks a name: its file, which may be another than was meant."""
    return f"the module was read from {vars(module).get('__file__') or 'a namespace package'}"
