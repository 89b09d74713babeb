"""Writes a study file for somebody to continue: complete, valid where possible, and commented."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpotool.study.doors import storable, visible

_BARE = re.compile(r"[A-Za-z_][\w.-]*")
_NOT_TEXT = ("true", "false", "null", "yes", "no", "on", "off")


@dataclass(frozen=True)
class DraftParameter:
    """A parameter of the file to write; if ``content`` is None, only the comment is written.

    ``is_out``: the parameter is commented out.
    """

    name: str
    content: Mapping[str, Any] | None
    comment: str = ""
    is_out: bool = False


@dataclass(frozen=True)
class Draft:
    """A study file to write. ``objective``, ``sampler`` and ``pruner`` are as in the file.

    ``notes`` are points for the user to check. ``has_space`` is False if the objective suggests its own
    parameters; they are then listed as comments.
    """

    name: str
    objective: Mapping[str, Any]
    metrics: Mapping[str, str]
    parameters: Sequence[DraftParameter] = ()
    trials: int = 100
    sampler: str | None = None
    pruner: Mapping[str, Any] | None = None
    notes: Sequence[str] = field(default_factory=tuple)
    has_space: bool = True


def name_like(text: str) -> str:
    """A valid study name as close to ``text`` as possible; ``study`` if no character is valid."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:90] or "study"


def format_draft(draft: Draft, origin: str) -> str:
    """The study file's text; ``origin`` names its source."""
    lines = [
        f"# Written by hpotool init from {_one_line(origin)}. Check each line; docs/study-file.md has all keys."
    ]
    lines += [f"# - {_one_line(note)}" for note in draft.notes]
    lines += [f"study: {draft.name}", "objective:"]
    lines += [f"  {key}: {flow(value)}" for key, value in draft.objective.items()]
    lines.append("metrics:  # each to minimize or maximize")
    lines += [f"  {_key(name)}: {direction}" for name, direction in draft.metrics.items()]
    lines += _space(draft)
    lines.append(f"budget: {{trials: {draft.trials}}}  # trials to finish; also wall, gpu_hours, target, patience")
    if draft.sampler is not None:
        lines.append(f"sampler: {draft.sampler}")
    if draft.pruner is not None:
        lines.append(f"pruner: {flow(draft.pruner)}")
    return storable("\n".join(lines) + "\n")


def _space(draft: Draft) -> list[str]:
    lines = [_parameter(parameter) for parameter in draft.parameters]
    if not draft.has_space:
        head = ["# search_space: the objective suggests its own parameters:"] if lines else []
        return head + [f"# {line.removeprefix('# ')}" for line in lines]
    is_empty = all(parameter.is_out or parameter.content is None for parameter in draft.parameters)
    return ["# search_space:" if is_empty else "search_space:", *lines] if lines else []


def _parameter(parameter: DraftParameter) -> str:
    comment = f"  # {_one_line(parameter.comment)}" if parameter.comment else ""
    content = "" if parameter.content is None else f" {flow(parameter.content)}"
    is_out = parameter.is_out or parameter.content is None
    return f"{'# ' if is_out else ''}  {_key(parameter.name)}:{content}{comment}"


def flow(value: Any) -> str:
    """``value`` as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(key))}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(flow(inner) for inner in value) + "]"
    if isinstance(value, str):
        return _key(value)
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    return json.dumps(value)


def _key(name: str) -> str:
    return name if _is_bare(name) else _writable(json.dumps(name, ensure_ascii=False))


def _writable(text: str) -> str:
    """``text`` with the characters escaped that YAML forbids, or takes for line breaks."""
    return visible(text).replace("\ufffe", r"\ufffe").replace("\uffff", r"\uffff")


def _is_bare(text: str) -> bool:
    return _BARE.fullmatch(text) is not None and text.lower() not in _NOT_TEXT


def _one_line(text: str) -> str:
    return _writable(" ".join(text.split()))
