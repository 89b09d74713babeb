"""Optuna's studies in Postgres: names, directions, attributes. One round trip each."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.storages._base import DEFAULT_STUDY_NAME_PREFIX
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy

from hpotool.storage.database.queries import query
from hpotool.storage.optuna.decoding import decode_attributes
from hpotool.storage.optuna.write_buffer import WriteBuffer
from hpotool.study.doors import refuse_name

NOT_FOUND = "Record does not exist."


class StudyRecords:
    """Reads and writes studies. Buffered writes of trials are always sent first."""

    def __init__(self, writes: WriteBuffer) -> None:
        self._writes = writes

    def create(self, directions: Sequence[StudyDirection], name: str | None) -> int:
        """Create a study and return its id.

        Raises:
            DuplicatedStudyError: the name is taken.
        """
        chosen = DEFAULT_STUDY_NAME_PREFIX + str(uuid.uuid4()) if name is None else name
        check_name(chosen)
        rows = self._writes.run(
            query("insert_study"),
            {"name": chosen, "directions": [direction.name for direction in directions]},
        )
        if not rows:
            raise DuplicatedStudyError(f"Another study with name '{chosen}' already exists.")
        return int(rows[0][0])

    def delete(self, study_id: int) -> None:
        """Delete a study with its trials."""
        _only(self._writes.run(query("delete_study"), {"study_id": study_id}))

    def find(self, name: str) -> int:
        """The id of the study with this name."""
        return int(_only(self._writes.run(query("find_study"), {"name": name}))[0])

    def read(self, study_id: int) -> FrozenStudy:
        """One study."""
        return _study(_only(self._writes.run(query("read_study"), {"study_id": study_id})))

    def read_all(self) -> list[FrozenStudy]:
        """All studies, by id."""
        return [_study(row) for row in self._writes.run(query("read_study"), {"study_id": None})]

    def set_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Write a user attribute of a study."""
        self._set("set_user_attribute", study_id, key, value)

    def set_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Write a system attribute of a study."""
        self._set("set_system_attribute", study_id, key, value)

    def _set(self, name: str, study_id: int, key: str, value: Any) -> None:
        check_name(key)
        text = json.dumps(value)
        _only(self._writes.run(query(name), {"study_id": study_id, "key": key, "value": text}))


def check_name(name: str) -> None:
    """Refuse immediately what the database would refuse later, when it would be too late to raise an error."""
    problem = refuse_name(name)
    if problem is not None:
        raise StorageInternalError(problem)


def _only(rows: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    if not rows:
        raise KeyError(NOT_FOUND)
    return rows[0]


def _study(row: tuple[Any, ...]) -> FrozenStudy:
    study_id, name, directions, user_keys, user_values, system_keys, system_values = row
    return FrozenStudy(
        study_name=name,
        direction=None,
        directions=[StudyDirection[direction] for direction in directions or ()],
        user_attrs=decode_attributes(user_keys, user_values),
        system_attrs=decode_attributes(system_keys, system_values),
        study_id=study_id,
    )
