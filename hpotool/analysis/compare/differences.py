"""What differs between studies: the keys of the study file, the code, the versions, as far as stored. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hpotool.study.origins.differences import Flat, find_different

_OWN = ("study", "warm_start")  # a study's name is no difference, and its first points are trials
_CONTENTS = ("code", "data")
_LISTS_OF_ONE = ("metrics", "constraints", "search_space")


def find_differences(
    documents: Sequence[Mapping[str, Any] | None], versions: Sequence[Mapping[str, str]]
) -> dict[str, list[str | None]]:
    """Return what is not the same in all studies: by its key, the value in each; None where a study has none.

    A study whose settings are not stored is None, and is compared by its versions only.
    """
    flat = [_flatten(document) if document is not None else None for document in documents]
    known = [one for one in flat if one is not None]
    found: dict[str, list[str | None]] = {}
    for key in dict.fromkeys(key for one in known for key in one):
        if len({one.get(key) for one in known}) > 1:
            found[key] = [None if one is None else one.get(key) for one in flat]
    for key in dict.fromkeys(key for one in versions for key in one):
        values = [one.get(key) for one in versions]
        if len({value for value in values if value is not None}) > 1:
            found[key if key in _CONTENTS else f"version of {key}"] = list(values)
    return found


def add_origins(
    found: Mapping[str, list[str | None]], origins: Sequence[Flat | None]
) -> dict[str, list[str | None]]:
    """Return ``found`` with what differs between the attempts that measured the best points.

    A version that differs already between the studies is not said twice.
    """
    said = {key.removeprefix("version of ") for key in found}
    more = find_different(origins) if None not in origins else {}
    new = {key: values for key, values in more.items() if not ({key, key.partition(" ")[0]} & said)}
    return {**found, **new}


def is_same_code(versions: Sequence[Mapping[str, str]]) -> bool | None:
    """Whether all ran the same code; None where it is not stored with each."""
    codes = {one.get("code") for one in versions}
    return None if None in codes else len(codes) == 1


def say_other_origin(versions: Sequence[Mapping[str, str]]) -> str | None:
    """Return why values of these studies cannot be compared; None where all ran the same code on the same data.

    Data that is not stored with a study is taken to be the same: most studies name none.
    """
    if len({one["data"] for one in versions if "data" in one}) > 1:
        return "their data differs"
    is_same = is_same_code(versions)
    if is_same is None:
        return "what code each ran is not stored with both"
    return None if is_same else "their code differs"


def _flatten(document: Mapping[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in document.items():
        if key in _OWN:
            continue
        if key in _LISTS_OF_ONE:
            flat.update({f"{key}.{name}": _say(inner) for entry in value for name, inner in entry.items()})
        elif isinstance(value, Mapping):
            flat.update({f"{key}.{name}": _say(inner) for name, inner in value.items()})
        else:
            flat[key] = _say(value)
    flat.pop("sampler.seed", None)  # drawn for each study
    return flat


def _say(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_say(inner)}" for key, inner in value.items())
    return json.dumps(value, default=str)
