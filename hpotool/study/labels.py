"""Tags and notes: what people say of a study or a trial beside its settings. Pure.

A trial's tags are one of its own system attributes, so they go wherever the trial goes. Notes are
optuna-dashboard's: attributes of the study, in parts, and a trial's with the trial's id in their names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from hpotool.study.doors import storable

TAGS_ATTRIBUTE = "hpotool:tags"
_NOTE_PART = 2045  # characters; optuna-dashboard splits longer notes into several attributes


def tags_of(system_attributes: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a trial with these system attributes."""
    found = system_attributes.get(TAGS_ATTRIBUTE)
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def read_tags(texts: Sequence[str]) -> dict[str, str]:
    """``key=value`` each, as a mapping; ``key=`` gives an empty value, which removes the tag.

    Raises:
        ValueError: one of them is not a tag.
    """
    tags = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or key.split() != [key]:
            raise ValueError(f"{text!r} is not a tag: write key=value, like owner=ann; the key is one word")
        tags[storable(key)] = storable(value)
    return tags


def has_tag(tags: Mapping[str, str], wanted: str) -> bool:
    """Whether there is the tag ``key=value``, or for ``key`` any tag of that key."""
    key, equals, value = wanted.partition("=")
    return key in tags and (not equals or tags[key] == value)


def note_prefix(trial_id: int | None) -> str:
    """How the names of a note's attributes begin; without a trial, those of the study's own note."""
    return "dashboard:" if trial_id is None else f"dashboard:{trial_id}:"


def split_note(text: str, prefix: str) -> dict[str, str]:
    """The attributes of a note."""
    count = math.ceil(len(text) / _NOTE_PART)
    return {f"{prefix}note_str:{i}": text[i * _NOTE_PART : (i + 1) * _NOTE_PART] for i in range(count)}


def join_note(attributes: Mapping[str, Any], prefix: str) -> str:
    """The note in a study's attributes; empty where there is none. One that lacks a part ends there."""
    parts: list[str] = []
    while (part := attributes.get(f"{prefix}note_str:{len(parts)}")) is not None:
        parts.append(str(part))
    return "".join(parts)


def join_stored_note(stored: Mapping[str, str] | None, prefix: str) -> str:
    """The note in a study's attributes as they are stored: JSON texts."""
    return join_note({key: json.loads(text) for key, text in (stored or {}).items()}, prefix)
