"""What a study's attempts, or those of one trial, come from, beside what the study was created with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpotool.storage.control.creation import find_study_id
from hpotool.storage.control.studies import has_table
from hpotool.storage.database.connection import Connection
from hpotool.storage.fleet.origins import (
    OriginSummaries,
    SharedOrigin,
    read_attempt_origins,
    read_study_origin,
    read_trial_hashes,
)
from hpotool.storage.fleet.reuse import REUSED
from hpotool.study.origins.differences import Flat, find_different, flatten

if TYPE_CHECKING:
    from optuna import Study


@dataclass(frozen=True)
class Lineage:
    """What attempts come from.

    Attributes:
        trial: the trial whose attempts these are; ``None``: those of the whole study.
        of_study: the code and data that the study was created with.
        origins: each combination that there is, the latest first.
    """

    study: str
    trial: int | None
    of_study: SharedOrigin
    origins: tuple[SharedOrigin, ...]

    def as_data(self) -> dict[str, Any]:
        """Return the lineage as JSON data."""
        return {
            "study": self.study,
            "trial": self.trial,
            "of_study": _contents(self.of_study),
            "origins": [
                {
                    "trials": list(one.numbers),
                    "hosts": list(one.hosts),
                    "hashes": dict(one.hashes),
                    **_contents(one),
                    "differs": self.differences(one),
                }
                for one in self.origins
            ],
        }

    def differences(self, origin: SharedOrigin) -> dict[str, dict[str, str | None]]:
        """Return what is not the same there as in the study: by name, both values."""
        pairs = [
            find_different([_flatten_kind(one, kind) for one in (self.of_study, origin)])
            for kind in ("code", "data")
        ]
        return {
            name: dict(zip(("study", "here"), values, strict=True))
            for found in pairs
            for name, values in found.items()
        }


def read_lineage(connection: Connection, study_name: str, number: int | None = None) -> Lineage:
    """Return what the attempts come from, as far as it was recorded.

    Raises:
        NotFoundError: there is no such study.
    """
    study_id = find_study_id(connection, study_name)
    if not has_table(connection, "hpotool.origins"):
        return Lineage(study_name, number, SharedOrigin({}, {}), ())
    return Lineage(
        study_name,
        number,
        read_study_origin(connection.run, study_id),
        tuple(read_attempt_origins(connection.run, study_id, number)),
    )


def read_summaries(connection: Connection, study: Study) -> dict[int, dict[str, Any]]:
    """Return what each trial came from in a few words, as far as it was recorded, by the trial's number."""
    if not has_table(connection, "hpotool.origins"):
        return {}
    trials = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    shared = read_trial_hashes(connection.run, find_study_id(connection, study.study_name), list(trials))
    summaries = OriginSummaries(connection.run)
    summaries.read(one.hashes for one in shared)
    return {
        number: summaries.of(one.hashes, trials[number].system_attrs.get(REUSED))
        for one in shared
        for number in one.numbers
    }


def flat_origin(origin: SharedOrigin) -> Flat:
    """Return all parts of the origin that are known as flat text by name."""
    parts = (_flatten_kind(origin, kind) for kind in ("code", "data", "environment"))
    return {name: value for flat in parts for name, value in (flat or {}).items()}


def _flatten_kind(origin: SharedOrigin, kind: Any) -> Flat | None:
    content = origin.contents.get(kind)
    return None if content is None else flatten(kind, content)


def _contents(origin: SharedOrigin) -> dict[str, Mapping[str, Any] | None]:
    """The contents; of code without the text of its changes, which nobody reads in a table."""
    return {
        kind: None
        if content is None
        else {name: value for name, value in content.items() if (kind, name) != ("code", "diff")}
        for kind, content in origin.contents.items()
    }
