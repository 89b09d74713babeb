"""What a result comes from: code, data and environment, each a part that its content names.

Equal parts have equal hashes, wherever they were read, so the database keeps each of them once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

Kind = Literal["code", "data", "environment"]

# Of code, these decide what runs; the commit and the text of uncommitted changes only say where to get it.
_DECIDES = {"code": ("files", "tree", "changes")}


@dataclass(frozen=True)
class Part:
    """One part of an origin as JSON data."""

    kind: Kind
    content: Mapping[str, Any]

    @cached_property
    def hash(self) -> str:
        """The content's name: equal for equal content."""
        chosen = _DECIDES.get(self.kind)
        decides = {key: self.content.get(key) for key in chosen} if chosen else dict(self.content)
        return hash_text(json.dumps(decides, sort_keys=True, separators=(",", ":"), default=str))

    @property
    def missing(self) -> list[str]:
        """Of data, the paths that could not be read here."""
        return [path for path, entry in self.content.items() if "trouble" in entry] if self.kind == "data" else []


@dataclass(frozen=True)
class Origin:
    """What the attempts of one worker come from. ``data``: None where the study names none."""

    code: Part
    data: Part | None
    environment: Part

    @property
    def parts(self) -> tuple[Part, ...]:
        """Those that there are."""
        return tuple(part for part in (self.code, self.data, self.environment) if part is not None)


def hash_text(text: str) -> str:
    """A short SHA-256 of a text."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
