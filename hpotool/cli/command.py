"""The classes of commands and groups: what all their help pages have in common."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command whose help shows no type beside its switches: ``--dry-run``, not ``--dry-run <bool>``."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, ``--help`` included."""
        return _without_types_of_switches(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands, likewise."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, ``--help`` included."""
        return _without_types_of_switches(super().get_params(ctx))


def _without_types_of_switches(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params
