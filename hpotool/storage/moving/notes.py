"""Takes notes, which optuna-dashboard keeps in a study's attributes, along to another study.

A note on a trial is under the trial's id, which is another one there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query

_TRIAL_NOTE = re.compile(r"dashboard:(\d+):(.*)", re.DOTALL)


def is_on_trial(key: str) -> bool:
    """Whether a study's attribute is a part of a note on one of its trials."""
    return _TRIAL_NOTE.fullmatch(key) is not None


def write_trial_notes(
    connection: Connection, study_id: int, system_attrs: Mapping[str, Any], ids: Mapping[int, int]
) -> None:
    """Write the notes on trials among the attributes of another study; ``ids`` are the trials' there and here."""
    statements: list[tuple[str, Mapping[str, Any]]] = []
    for key, value in system_attrs.items():
        match = _TRIAL_NOTE.fullmatch(key)
        if match and int(match[1]) in ids:
            here = f"dashboard:{ids[int(match[1])]}:{match[2]}"
            parameters = {"study_id": study_id, "key": here, "value": json.dumps(value)}
            statements.append((query("set_system_attribute"), parameters))
    if statements:
        connection.run_all(statements)
