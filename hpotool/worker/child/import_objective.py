"""Imports the callable that ``module:function`` names, also from the working directory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

from hpotool.errors import InputError


def load_objective(reference: str) -> Callable[..., Any]:
    """Import the objective that ``reference`` (``module:function``) names.

    The working directory is searched first, as with ``python -m``. ``function`` may be dotted.

    Raises:
        InputError: the module cannot be imported, or has no such function.
    """
    module_name, _, path = reference.partition(":")
    if not module_name or not path:
        raise InputError(
            f"the objective {reference!r} is not of the form module:function", "like my_package.train:objective"
        )
    folder = search_working_folder()
    try:
        module = import_module(module_name)
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        raise InputError(
            f"the objective {reference!r} cannot be imported: {type(error).__name__}: {_one_line(error)}",
            f"it was looked up in {folder} and in the installed packages of {sys.executable}",
        ) from error
    try:
        objective = reduce(getattr, path.split("."), module)
    except AttributeError:
        raise InputError(
            f"the objective {reference!r} cannot be found: {module_name} has no {path!r}",
            f"the module was read from {getattr(module, '__file__', None) or 'a namespace package'}",
        ) from None
    if not callable(objective):
        raise InputError(
            f"the objective {reference!r} is a {type(objective).__name__}, not a function",
            "name the function itself, like my_package.train:objective",
        )
    return objective


def search_working_folder() -> str:
    """Put the working directory first on the module search path; return it."""
    folder = str(Path.cwd())
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    return folder


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
