"""How two origins differ: as a table of what is not the same in both, and as sentences about a worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hpotool.study.origins.content import Kind

_MOST_FILES = 5  # that a sentence names
WHOLE_CODE = "other files of code"  # without git: one hash of all, those of the objective among them
Flat = dict[str, str]


def flatten(kind: Kind, content: Mapping[str, Any]) -> Flat:
    """The part as flat text by name, the way tables show it."""
    return dict({"code": _code, "data": _data, "environment": _environment}[kind](content))


def find_different(flats: Sequence[Flat | None]) -> dict[str, list[str | None]]:
    """What is not the same in all: by name, the value in each. An origin that is None is not compared."""
    known = [flat for flat in flats if flat is not None]
    return {name: [None if flat is None else flat.get(name) for flat in flats] for name in name_different(known)}


def name_different(flats: Sequence[Flat]) -> list[str]:
    """The names of what is not the same in all. Where the objective's own file differs, the whole code does."""
    names = dict.fromkeys(name for flat in flats for name in flat)
    found = [name for name in names if len({flat.get(name) for flat in flats}) > 1]
    if any(name.startswith("code ") for name in found):
        return [name for name in found if name != WHOLE_CODE]
    return found


def say_other_data(study: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """How the data of this machine differs from the study's, in sentences; of a path that is in both."""
    return [
        _say_other_entry(path, study[path], entry)
        for path, entry in here.items()
        if path in study and study[path] != entry
    ]


def say_other_code(study: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """How the code of this machine differs from the study's, in sentences."""
    files = {name: (study.get("files", {}).get(name), value) for name, value in here.get("files", {}).items()}
    found = [f"{name} has another content" for name, (was, now) in files.items() if was is not None and was != now]
    if found or None in (study.get("tree"), here.get("tree")):
        return found
    if study["tree"] != here["tree"] and None in (study.get("commit"), here.get("commit")):
        return ["the files of code beside it are other ones"]
    if study["tree"] != here["tree"]:
        return [f"the code is of commit {here.get('commit')}, and was of {study.get('commit')}"]
    if study.get("changes") != here.get("changes"):
        return [f"its uncommitted changes are {_say_changes(here)}, and were {_say_changes(study)}"]
    return []


def _say_other_entry(path: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if "trouble" in now:
        return f"{path}: {now['trouble']}"
    if "trouble" in was:
        return f"{path} is here, and could not be read there"
    listed = list(_other_files(was.get("files") or {}, now.get("files") or {}))
    more = len(listed) - _MOST_FILES
    named = "; ".join(listed[:_MOST_FILES]) + (f"; and {more} more" if more > 0 else "")
    other = f"{path} has another content{f' ({named})' if named else ''}"
    return f"{other}: {now['hash'][:12]}, and was {was['hash'][:12]}"


def _other_files(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    yield from (f"{name} differs" for name in now if name in was and was[name] != now[name])
    yield from (f"{name} is missing" for name in was if name not in now)
    yield from (f"{name} is new" for name in now if name not in was)


def _say_changes(code: Mapping[str, Any]) -> str:
    return code.get("changes") or "none"


def _code(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in (content.get("files") or {}).items():
        yield f"code {name}", str(value)
    if content.get("commit"):
        yield "commit", str(content["commit"])
        yield "uncommitted changes", _say_changes(content)
    elif content.get("tree"):
        yield WHOLE_CODE, str(content["tree"])[:12]


def _data(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for path, entry in content.items():
        yield f"data {path}", entry.get("trouble") or entry["hash"][:16]


def _environment(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("python", "platform", "cpu", "driver", "image"):
        if content.get(name):
            yield name, str(content[name])
    if content.get("gpus"):
        yield "gpus", ", ".join(content["gpus"])
    for name, version in (content.get("packages") or {}).items():
        yield f"package {name}", str(version)
