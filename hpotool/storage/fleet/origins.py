"""Origins in the database: each part once by its hash, and which of them a study, a worker or an attempt has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpotool.storage.database.connection import Rows
from hpotool.storage.database.queries import query, to_jsonb
from hpotool.study.doors import storable
from hpotool.study.origins.content import Kind, Origin, Part
from hpotool.study.origins.summary import summarize_origin

Run = Callable[[str, Mapping[str, Any]], Rows]
KINDS: tuple[Kind, ...] = ("code", "data", "environment")


@dataclass(frozen=True)
class OriginHashes:
    """What a claim notes with the attempt; None: not known, or the study names no data.

    ``is_known``: the hashes say all: equal ones are equal code and data.
    """

    code: str | None = None
    data: str | None = None
    is_known: bool = False

    @classmethod
    def of(cls, origin: Origin) -> OriginHashes:
        """Those of an origin."""
        is_whole = origin.data is None or not origin.data.missing
        is_known = bool(origin.code.content.get("files")) and bool(origin.code.content.get("tree")) and is_whole
        return cls(origin.code.hash, None if origin.data is None else origin.data.hash, is_known)


@dataclass(frozen=True)
class SharedOrigin:
    """An origin that attempts have in common. A content is None where it is not known.

    ``numbers`` are the trials', ``hosts`` where they ran.
    """

    hashes: Mapping[Kind, str | None]
    contents: Mapping[Kind, Mapping[str, Any] | None]
    numbers: tuple[int, ...] = ()
    hosts: tuple[str, ...] = ()


def record_origin(
    run: Run, study_id: int, parts: Sequence[Part], *, anew: bool = False
) -> dict[Kind, Mapping[str, Any]]:
    """Enter an origin's parts; return those that the study had before, by kind.

    A study without code or data takes these, unless some of the data could not be read here. ``anew``: it takes
    them in any case, as its state from now on.
    """
    hashes = {part.kind: part.hash for part in parts}
    whole = {part.kind: part.hash for part in parts if not part.missing}
    rows = run(
        query("record_origin"),
        {
            "study_id": study_id,
            "kinds": [part.kind for part in parts],
            "hashes": [part.hash for part in parts],
            "contents": [_as_jsonb(part.content) for part in parts],
            "code_hash": hashes.get("code"),
            "whole_data_hash": whole.get("data"),
            "anew": anew,
        },
    )
    return dict(rows)


def note_origin(run: Run, worker_id: str, environment_hash: str, differs: str | None) -> None:
    """Note a worker's environment, and in words how its code or data differ from the study's."""
    parameters = {"worker_id": worker_id, "environment_hash": environment_hash}
    run(query("note_origin"), {**parameters, "differs": None if differs is None else storable(differs)})


def refuse_origin(run: Run, study_id: int, worker_id: str, differs: str) -> None:
    """Log that a strict study did not take a worker, and why."""
    run(query("refuse_origin"), {"study_id": study_id, "worker_id": worker_id, "differs": storable(differs)})


def read_study_origin(run: Run, study_id: int) -> SharedOrigin:
    """The code and data of a study, as far as they are known."""
    for code_hash, data_hash, code, data in run(query("read_study_origin"), {"study_id": study_id}):
        return SharedOrigin({"code": code_hash, "data": data_hash}, {"code": code, "data": data})
    return SharedOrigin({}, {})


def read_attempt_origins(run: Run, study_id: int, number: int | None = None) -> list[SharedOrigin]:
    """What the attempts of a study, or of one trial, came from; the latest first."""
    found = []
    for *hashes, numbers, hosts, code, data, environment in run(
        query("read_attempt_origins"), {"study_id": study_id, "number": number}
    ):
        contents = dict(zip(KINDS, (code, data, environment), strict=True))
        found.append(SharedOrigin(dict(zip(KINDS, hashes, strict=True)), contents, tuple(numbers), tuple(hosts)))
    return found


def read_trial_hashes(run: Run, study_id: int, numbers: Sequence[int]) -> list[SharedOrigin]:
    """What some trials came from, by combination of hashes, without the contents."""
    rows = run(query("read_trial_origins"), {"study_id": study_id, "numbers": list(numbers)})
    return [SharedOrigin(dict(zip(KINDS, hashes, strict=True)), {}, tuple(own)) for *hashes, own in rows]


def read_contents(run: Run, hashes: Iterable[str]) -> dict[tuple[Kind, str], Mapping[str, Any]]:
    """The contents of these hashes by kind and hash; of code without the text of its uncommitted changes."""
    wanted = sorted(set(hashes))
    if not wanted:
        return {}
    return {(kind, one): content for kind, one, content in run(query("read_origin_contents"), {"hashes": wanted})}


class OriginSummaries:
    """What attempts came from in a few words, by their hashes; each content is read once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._known: dict[tuple[str, str], dict[str, Any]] = {}

    def read(self, hashes: Iterable[Mapping[Any, Any]]) -> None:
        """Read those that are not known yet, in one round trip; ``hashes`` are by kind, as an attempt has them."""
        wanted = {(kind, str(one[kind])) for one in hashes for kind in KINDS if one.get(kind) is not None}
        missing = [value for kind, value in wanted if (kind, value) not in self._known]
        for (kind, value), content in read_contents(self._run, missing).items():
            self._known[kind, value] = summarize_origin(kind, value, content)

    def of(self, hashes: Mapping[Any, Any], reused: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What an attempt with these came from. Of a result that was reused, the environment is another one's."""
        found: dict[str, Any] = {}
        for kind in KINDS if reused is None else KINDS[:2]:
            found |= self._known.get((kind, str(hashes.get(kind))), {})
        return found


def read_different_workers(run: Run, study_id: int) -> list[dict[str, str]]:
    """The workers that see other code or data than the study has, and in words which."""
    rows = run(query("read_different_workers"), {"study_id": study_id})
    return [dict(zip(("worker", "host", "differs"), row, strict=True)) for row in rows]


def _as_jsonb(content: Mapping[str, Any]) -> str:
    """File names may hold bytes that are no text, and those Postgres refuses."""
    return to_jsonb(_storable(content))


def _storable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {storable(str(key)): _storable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    return storable(value) if isinstance(value, str) else value
