"""The code that a worker may run, if its user has restricted it: nothing else is imported or started.

A study is data in a database, and names code: an objective, a sampler or pruner class, a command, environment
variables that determine what a process loads. Optuna's CMA-ES even unpickles data from the database. Without a
list, a worker trusts everyone who can write to the database; with one, each of these must be on it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpotool.errors import InputError, paste
from hpotool.study.file.grammar.algorithms import SAMPLERS
from hpotool.study.spec import StudySpec

VARIABLE = "HPOTOOL_ALLOW"


@dataclass(frozen=True)
class Allowed:
    """The names that a worker may run; None: any name."""

    names: frozenset[str] | None = None

    @classmethod
    def read(cls, options: Sequence[str], environment: Mapping[str, str] | None = None) -> Allowed:
        """The names in the options and in HPOTOOL_ALLOW (separated by semicolons)."""
        text = (os.environ if environment is None else environment).get(VARIABLE, "")
        names = [name.strip() for name in (*options, *text.split(";"))]
        return cls(frozenset(filter(None, names)) or None)

    def check(self, spec: StudySpec) -> None:
        """Check that the study names only allowed code.

        Raises:
            InputError: it names other code; the error lists all of it.
        """
        refused = [] if self.names is None else [each for each in named_code(spec) if each[1] not in self.names]
        if not refused:
            return
        sentences = [f"{what} {name!r} is not allowed" for what, name in refused]
        more = [f"--only-objective={name}" for _, name in refused]
        raise InputError(
            "\n".join(
                [f"this worker runs only allowed code, but study {spec.name!r} names other code", *sentences]
            ),
            f"if you trust it, add these options to the worker: {paste(*more).partition(' ')[2]}",
        )


def named_code(spec: StudySpec) -> Iterator[tuple[str, str]]:
    """All code that a study makes a worker run: its kind, and the name that allows it."""
    if spec.objective.python is not None:
        yield "the objective", spec.objective.python
    if spec.objective.command is not None:
        yield "the command", shlex.join(spec.objective.command)
    for variable in spec.objective.environment:
        yield "the environment variable", f"env:{variable}"
    if ":" in spec.sampler.name or _unpickles(spec.sampler.name):
        yield "the sampler", spec.sampler.name
    yield from _named_pruners({"name": spec.pruner.name, **spec.pruner.arguments})


def _unpickles(sampler: str) -> bool:
    return sampler in SAMPLERS and SAMPLERS[sampler].unpickles


def _named_pruners(pruner: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A pruner's class, and that of the pruner it wraps."""
    if ":" in str(pruner.get("name", "")):
        yield "the pruner", str(pruner["name"])
    wrapped = pruner.get("wrapped")
    if isinstance(wrapped, Mapping):
        yield from _named_pruners(wrapped)
