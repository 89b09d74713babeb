"""The classes of commands and groups: what all their help pages have in common."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command whose help shows values as a person writes them: ``FILE``, not ``[[FILE]] <path>``."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, ``--help`` included."""
        return _without_types(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands, likewise."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, ``--help`` included."""
        return _without_types(super().get_params(ctx))


def _without_types(params: list[Any]) -> list[Any]:
    """Each parameter, without Typer's names of types and without a range that goes without saying."""
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
        elif param.param_type_name == "argument":
            param.display_type_rich = _nothing
            param.get_usage_pieces = _usage_of(param)
        elif param.metavar is None:
            param.metavar = _choices_of(param)
        param._get_number_range_help_str = _range_of(param)
    return params


def _nothing(ctx: Any) -> None:
    """The type beside an argument's name: none."""


def _choices_of(param: Any) -> str | None:
    """``table|json``, if the option has choices."""
    described = getattr(param, "type_descriptor", None) or param.type  # the latter in older versions of Typer
    choices = getattr(described, "choices", None)
    return "|".join(str(getattr(choice, "value", choice)) for choice in choices) if choices else None


def _usage_of(param: Any) -> Any:
    """The argument in the usage line: ``FILE``; ``[FILE]`` if it may be left out."""
    name = param.metavar or param.name.upper()
    written = name if param.required or name.startswith("[") else f"[{name}]"
    return lambda ctx: [written]


def _range_of(param: Any) -> Any:
    """``0.5 to 0.999``; nothing for a count or a number that only must not be negative."""
    low, high = getattr(param, "min", None), getattr(param, "max", None)
    if high is not None:
        text: str | None = f"{low} to {high}" if low is not None else f"up to {high}"
    else:
        text = None if low in (None, 0, 1) else f"{low} or more"
    return lambda: text
