"""Imports the callable that ``module:function`` names, also from the working directory."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from importlib import import_module
from typing import Any

from hpotool.errors import InputError
from hpotool.study.doors import describe_error
from hpotool.user_code import search_working_folder, where_looked_up, where_read


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
    search_working_folder()
    try:
        module = import_module(module_name)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a user's module may raise anything
        raise InputError(
            f"the objective {reference!r} cannot be imported: {describe_error(error)}",
            where_looked_up(),
        ) from error
    try:
        objective = reduce(getattr, path.split("."), module)
    except AttributeError:
        raise InputError(
            f"the objective {reference!r} cannot be found: {module_name} has no {path!r}", where_read(module)
        ) from None
    except Exception as error:  # a module's __getattr__ may raise anything
        raise InputError(
            f"the objective {reference!r} cannot be found: {describe_error(error)}", where_read(module)
        ) from error
    if not callable(objective):
        raise InputError(
            f"the objective {reference!r} is a {type(objective).__name__}, not a function",
            "name the function itself, like my_package.train:objective",
        )
    return objective
