"""What a trial comes from in a few words: the hashes, and what people look for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpotool.study.origins.content import Kind, hash_text


def summarize_origin(kind: Kind, hash: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """One part of an origin in a few words, without what nobody has.

    Of code its hash, the commit and the uncommitted changes; of data its hash and that of each path; of the
    environment its hash, Python and the container image.
    """
    found: dict[str, Any] = {kind: hash}
    match kind:
        case "code":
            found |= {"commit": content.get("commit"), "changes": content.get("changes")}
        case "data":
            found["data_hashes"] = {_say_path(path): _say_entry(entry) for path, entry in content.items()}
        case "environment":
            found |= {"python": content.get("python"), "image": content.get("image")}
    return {name: value for name, value in found.items() if value is not None}


def _say_path(path: str) -> str:
    """The path; of a URL without its query, which may be signed: what goes to trackers, others read."""
    where, mark, query = path.partition("?")
    return f"{where}?{hash_text(query)[:8]}" if mark and "://" in where else path


def _say_entry(entry: Mapping[str, Any]) -> str:
    return str(entry.get("trouble") or entry["hash"][:16])
