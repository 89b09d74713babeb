"""Which key somebody meant who wrote one that is not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpotool.study.yaml.document import did_you_mean


def say_meant(name: str, keys: Mapping[str, Any]) -> str:
    """The end of a sentence: a key of one of the mappings below ``keys``, or one that is written alike.

    ``keys`` are those of a record in the grammar, each with its ``kind``.
    """
    for outer, key in keys.items():
        if name in getattr(key.kind, "keys", ()):
            return f"; did you mean '{outer}.{name}'?"
    return did_you_mean(name, list(keys))
