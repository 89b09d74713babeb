"""Lets the first argument name the study: ``hpotool status my-model``, ``hpotool show my-model 15``.

``--study``, HPOTOOL_STUDY and the only study in the database are alternatives; `find_study` chooses among them.
"""

from __future__ import annotations

import copy
import inspect
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from hpotool.cli.command import Command
from hpotool.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


_ALIKE = 0.8  # a misspelt choice; a study may well be called somewhat like one
_POINT_FILES = (".csv", ".json", ".yaml", ".yml")


class _Word(str):
    """A word of the command line, distinguished by identity from equal words elsewhere on it."""

    __slots__ = ()


class StudyCommand(Command):
    """A command with ``--study`` whose first argument may be the study's name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move the study's name behind ``--study``, then parse as usual.

        Raises:
            InputError: more than one study is named.
        """
        words = [_Word(word) for word in args]
        options = copy.copy(self)
        options.params = [param for param in self.params if param.param_type_name == "option"]
        _, left, order = options.make_parser(ctx).parse_args(args=list(words))
        named = [param.name for param in order].count("study")
        study = None if ctx.resilient_parsing else self._find_study(left, is_named=named > 0)
        if study is not None:
            words = [word for word in words if word is not study]
            words[:0] = [_Word("--study"), _Word(study)]
            named += 1
        if named > 1:
            raise InputError("the study is named twice", f"{ctx.command_path} --study NAME")
        return super().parse_args(ctx, list(words))

    def _find_study(self, words: Sequence[str], *, is_named: bool) -> str | None:
        """The word that names the study rather than one of the command's own arguments: the first, if any.

        It may also follow a choice: ``export trials my-model``.
        """
        own = [param for param in self.params if param.param_type_name == "argument"]
        if not words or (own and is_named):  # the study is already named, so every word belongs to the command
            return None
        if not own:
            return words[0]
        taken = get_type_hints(inspect.unwrap(self.callback or self.parse_args))[str(own[0].name)]
        if not _is_taken(words, taken):
            return words[0]
        return words[1] if _is_choice(taken) and len(own) == 1 and len(words) == 2 else None

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the pieces of the usage line: the study comes before the command's own arguments."""
        options, *own = super().collect_usage_pieces(ctx)
        return [options, "[STUDY]", *own]

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete the study's name for a shell."""
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-") or ctx.params.get("study"):
            return found
        study = next(param for param in self.params if param.name == "study")
        return [*found, *study.shell_complete(ctx, incomplete)]


def _is_choice(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _is_taken(words: Sequence[str], kind: Any) -> bool:
    """Whether an argument of ``kind`` accepts the first of ``words``: a choice, a trial, a point or a file.

    A word that is equal to a choice is taken as the choice, unless the next word is one too.
    """
    word, *others = words
    if _is_choice(kind):
        known = [str(choice.value) for choice in kind]
        return word in known or (
            not set(others) & set(known) and bool(get_close_matches(word, known, n=1, cutoff=_ALIKE))
        )
    return word.lstrip("-").isdigit() or "=" in word or Path(word).suffix in _POINT_FILES


def complete_study(incomplete: str) -> list[str]:
    """The names of studies that start with ``incomplete``; none if the database does not answer."""
    from hpotool.cli.database import connect
    from hpotool.errors import HpotoolError
    from hpotool.storage.control.studies import list_studies

    try:
        return [study.name for study in list_studies(connect(None)) if study.name.startswith(incomplete)]
    except HpotoolError:
        return []


def complete_pool(incomplete: str) -> list[str]:
    """The names of pools that start with ``incomplete``; none if the database does not answer."""
    from hpotool.cli.database import connect
    from hpotool.errors import HpotoolError
    from hpotool.storage.pools.places import list_places

    try:
        names = {place.pool for place in list_places(connect(None).run, 0.0)}
    except HpotoolError:
        return []
    return sorted(name for name in names if name.startswith(incomplete))
