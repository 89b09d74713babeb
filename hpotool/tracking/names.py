"""Names and texts as trackers take them: the same for the same input, whoever sends it and how often."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from typing import Any

from hpotool.study.doors import storable

_LONGEST_NAME = 250
_NOT_ALLOWED = re.compile(r"[^\w.\- :/]")


def safe_name(name: str) -> str:
    """``name`` where every tracker takes it; else one like it, which ends in a hash so that no two become one."""
    safe = _NOT_ALLOWED.sub("_", name)
    if not safe.strip() or posixpath.normpath(safe) != safe or safe.startswith(("..", "/")) or safe == ".":
        safe = "_" + safe.replace("/", "_").lstrip(".")
    if safe == name and len(name) <= _LONGEST_NAME:
        return name
    return f"{safe[: _LONGEST_NAME - 9]}-{_hash(name)}"


def safe_text(value: Any, longest: int) -> str:
    """``value`` as a text that is no longer than that; one that was cut ends in a sign and a hash of the whole."""
    text = storable(value if isinstance(value, str) else _plain(value))
    if len(text) <= longest:
        return text
    return f"{text[: longest - 10]}… {_hash(text)}"


def _plain(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, (dict, list, tuple)) else str(value)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
