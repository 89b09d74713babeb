"""A study is named by a word of its own: ``hpotool status my-model``, ``hpotool show my-model 15``.

``--study``, HPOTOOL_STUDY and the only study of the database mean the same; `find_study` decides between those.
"""

from __future__ import annotations

import copy
import inspect
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from typer.core import TyperCommand

from hpotool.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


_ALIKE = 0.8  # a misspelt choice; a study may well be called somewhat like one
_POINT_FILES = (".csv", ".json", ".yaml", ".yml")


class _Word(str):
    """A word of the command line that is told from an equal one elsewhere on it."""

    __slots__ = ()


class StudyCommand(TyperCommand):
    """A command with ``--study`` whose first word may be the study's name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the study's word behind ``--study``, and parse as ever.

        Raises:
            InputError: several studies are named.
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
        """The word that names the study rather than what the command itself takes: the first, if any does.

        Behind a choice it may stand too: ``export trials my-model``.
        """
        own = [param for param in self.params if param.param_type_name == "argument"]
        if not words or (own and is_named):  # named already, every word is the command's own
            return None
        if not own:
            return words[0]
        taken = get_type_hints(inspect.unwrap(self.callback or self.parse_args))[str(own[0].name)]
        if not _is_taken(words, taken):
            return words[0]
        return words[1] if _is_choice(taken) and len(own) == 1 and len(words) == 2 else None

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the usage line's pieces: the study comes before the command's own words."""
        options, *own = super().collect_usage_pieces(ctx)
        return [options, "[STUDY]", *own]

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete the study's name where a shell asks for a word."""
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-") or ctx.params.get("study"):
            return found
        study = next(param for param in self.params if param.name == "study")
        return [*found, *study.shell_complete(ctx, incomplete)]


def _is_choice(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _is_taken(words: Sequence[str], kind: Any) -> bool:
    """Whether the first of ``words`` is what an argument of ``kind`` takes: a choice, a trial, a point or a file.

    What is written like a choice is meant as one, unless the next word is one.
    """
    word, *others = words
    if _is_choice(kind):
        known = [str(choice.value) for choice in kind]
        return word in known or (
            not set(others) & set(known) and bool(get_close_matches(word, known, n=1, cutoff=_ALIKE))
        )
    return word.lstrip("-").isdigit() or "=" in word or Path(word).suffix in _POINT_FILES


def complete_study(incomplete: str) -> list[str]:
    """The names of the database's studies that begin like ``incomplete``; none where it does not answer."""
    from hpotool.cli.database import connect
    from hpotool.errors import HpotoolError
    from hpotool.storage.control.studies import list_studies

    try:
        return [study.name for study in list_studies(connect(None)) if study.name.startswith(incomplete)]
    except HpotoolError:
        return []
