"""Makes an objective's process look like that of a script run by itself, not like that of a launcher.

Otherwise argparse and Hydra, which read ``sys.argv``, would find the launcher's arguments, and
``multiprocessing``, which imports ``__main__`` again in every process it spawns, the launcher's module.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from hpotool.errors import InputError
from hpotool.user_code import search_working_folder
from hpotool.worker.child.command.arguments import fill_template


def become_plain(reference: str) -> None:
    """Make this process look as if only the objective's module had been run in it."""
    search_working_folder()
    script = _script_of(reference.partition(":")[0])
    sys.argv = [script]
    sys.orig_argv = [sys.executable, script]
    # Without a file or name, as in `python -c`, so that a spawned process imports only what it is sent.
    sys.modules["__main__"] = ModuleType("__main__")


@contextmanager
def plain_for_a_while(reference: str, environment: Mapping[str, str]) -> Iterator[None]:
    """The same with ``environment``, as a context that restores the process afterwards."""
    before = sys.argv, sys.orig_argv, sys.modules["__main__"]
    path, variables = list(sys.path), dict(os.environ)
    become_plain(reference)
    os.environ.update(environment)
    try:
        yield
    finally:
        sys.argv, sys.orig_argv, sys.modules["__main__"] = before
        sys.path[:] = path
        _restore(variables)


def fill_environment(templates: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """``objective.environment`` for a Python objective: like a command's, but without parameters.

    Raises:
        InputError: a template names a parameter, or a variable that is not in ``environment``.
    """
    filled: dict[str, str] = {}
    for name, template in templates.items():
        try:
            filled[name] = fill_template(template, {}, (), environment)
        except (InputError, ValueError) as error:
            why = error.message if isinstance(error, InputError) else str(error)
            raise InputError(
                f"objective.environment: {name} cannot be set to {template!r}: {why}",
                "${NAME} is a variable of the worker (never its database); {{ and }} are braces; "
                "a Python objective reads its parameters from its trial",
            ) from None
    return filled


def _script_of(module: str) -> str:
    """The module's file, found without importing anything, because a package's import may read ``sys.argv``."""
    top, *below = module.split(".")
    try:
        spec = find_spec(top) if top else None
    except (ImportError, ValueError):
        spec = None
    if spec is not None and not below and spec.has_location and spec.origin:
        return spec.origin
    for folder in (spec.submodule_search_locations if spec is not None and below else None) or []:
        base = Path(folder, *below)
        for file in (Path(f"{base}.py"), base / "__init__.py"):
            if file.is_file():
                return str(file)
    return str(Path.cwd() / f"{module.replace('.', os.sep)}.py")


def _restore(variables: Mapping[str, str]) -> None:
    """Restore only the variables that differ, because another thread may be reading the others."""
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    for name, value in variables.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
