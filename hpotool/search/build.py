"""Creates objects from names and arguments in a study file: the common part of samplers and pruners."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from hpotool.errors import InputError
from hpotool.study.file.grammar.algorithms import Row

_Built = TypeVar("_Built")


def check_arguments(what: str, name: str, arguments: Mapping[str, Any], known: Mapping[str, Row]) -> None:
    """Refuse a name or an argument that does not exist.

    Raises:
        InputError: it does not exist; the message suggests the closest one.
    """
    if name not in known:
        raise InputError(f"there is no {what} {name!r}", _closest(name, list(known)))
    keys = known[name].keys
    for argument in arguments:
        if argument not in keys:
            raise InputError(f"the {what} {name!r} has no argument {argument!r}", _closest(argument, list(keys)))
    for argument, key in keys.items():
        if key.required and argument not in arguments:
            raise InputError(f"the {what} {name!r} needs {argument!r}: {key.meaning}", f"like {key.example}")


def _closest(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"


def construct(
    build: Callable[..., _Built],
    arguments: Mapping[str, Any],
    what: str,
    name: str,
    needs: tuple[str, str] | None = None,
) -> _Built:
    """Call ``build(**arguments)``; ``needs`` is a module, and the pip package that provides it.

    Raises:
        InputError: it does not accept the arguments, or the package is missing.
    """
    try:
        if needs is not None:
            import_module(needs[0])
        return build(**arguments)
    except ImportError as error:
        missing = error.name or str(error)
        hint = f"pip install '{needs[1] if needs else missing}'"
        raise InputError(f"the {what} {name!r} needs the package {missing!r}", hint) from error
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the {what} {name!r} does not accept its arguments: {_one_line(error)}", _where_described(build)
        ) from error


def _where_described(build: Callable[..., object]) -> str:
    module, name = build.__module__, build.__qualname__
    return (
        f"to read about its arguments: {shlex.join(['python', '-c', f'import {module}; help({module}.{name})'])}"
    )


def load_class(reference: str, base: type, what: str, arguments: Mapping[str, Any]) -> Any:
    """Create an object of the class ``module:Class``, which must derive from ``base``.

    Raises:
        InputError: it cannot be imported, is not such a class, or does not accept the arguments.
    """
    module_name, _, class_name = reference.partition(":")
    if not module_name or module_name.startswith("."):
        raise InputError(
            f"the {what} {reference!r} is not written as module:Class", f"like my_package.{what}s:My{what.title()}"
        )
    try:
        found: Any = import_module(module_name)
        for part in class_name.split("."):
            found = getattr(found, part)
    except ImportError as error:
        raise InputError(
            f"the {what} {reference!r} cannot be imported: {_one_line(error)}", where_looked_up()
        ) from error
    except AttributeError:
        raise InputError(f"the module {module_name!r} has no {class_name!r}", where_read(module_name)) from None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise InputError(f"{reference!r} is not a {what}", f"it must be a class derived from {base.__name__}")
    return construct(found, arguments, what, reference)


def where_looked_up() -> str:
    """The hint to a module that cannot be imported."""
    return f"it was looked up in {Path.cwd()} and in the installed packages of {sys.executable}"


def where_read(module_name: str) -> str:
    """The hint to a module that lacks a name: its file, which may be another than was meant."""
    return f"the module was read from {getattr(sys.modules[module_name], '__file__', None) or 'no file'}"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
