"""Creates objects from names and arguments in a study file: the common part of samplers and pruners."""

from __future__ import annotations

import shlex
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from hpotool.errors import HpotoolError, InputError
from hpotool.study.doors import describe_error, one_line, text_of
from hpotool.study.file.grammar.algorithms import Row
from hpotool.user_code import search_working_folder, where_looked_up, where_read

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
        with explained(f"the {what} {name!r} cannot be created", ImportError, TypeError, ValueError):
            return build(**arguments)
    except ImportError as error:
        missing = error.name or text_of(error)
        hint = f"pip install '{needs[1] if needs else missing}'"
        raise InputError(f"the {what} {name!r} needs the package {missing!r}", hint) from error
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the {what} {name!r} does not accept its arguments: {_one_line(error)}", _where_described(build)
        ) from error


@contextmanager
def explained(what_fails: str, *others: type[BaseException]) -> Iterator[None]:
    """Make a sentence of whatever the code of a sampler or pruner raises, which may be anybody's.

    Raises:
        InputError: it raised anything but ``others``, our own errors and Ctrl-C.
    """
    passed: tuple[type[BaseException], ...] = (*others, HpotoolError, KeyboardInterrupt, GeneratorExit)
    try:
        yield
    except passed:
        raise
    except BaseException as error:  # `sys.exit()` too, with which the worker would seem to be done
        raise InputError(f"{what_fails}: {describe_error(error)}", _where_raised(error)) from error


def _where_raised(error: BaseException) -> str:
    """The line of somebody's own code; that of a library where there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    place = next((frame for frame in reversed(frames) if _is_somebodys(frame.filename)), frames[-1])
    return f"it was raised in line {place.lineno} of {place.filename}; --debug shows the traceback"


def _is_somebodys(file: str) -> bool:
    is_installed = not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)
    folders = (str(Path(__file__).parents[1]), sysconfig.get_path("stdlib"))
    return not is_installed and not file.startswith(("<", *folders))


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
        with explained(f"the {what} {reference!r} cannot be imported", ImportError):
            search_working_folder()
            module = import_module(module_name)
    except ImportError as error:
        raise InputError(
            f"the {what} {reference!r} cannot be imported: {_one_line(error)}", where_looked_up()
        ) from error
    try:
        with explained(f"the {what} {reference!r} cannot be imported", AttributeError):
            found: Any = reduce(getattr, class_name.split("."), module)
    except AttributeError:
        raise InputError(f"the module {module_name!r} has no {class_name!r}", where_read(module)) from None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise InputError(f"{reference!r} is not a {what}", f"it must be a class derived from {base.__name__}")
    return construct(found, arguments, what, reference)


def _one_line(error: BaseException) -> str:
    return one_line(text_of(error))
