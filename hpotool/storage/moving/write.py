"""Writes whole trials into a study, thousands in one round trip.

Promise: each call of `write_trials` is one transaction, and of two calls that start from the same mark only one
writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState

from hpotool.errors import InputError
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query
from hpotool.storage.optuna.new_trial import template_columns

# On a study: {"source", "study", "trials"}, the last being the number already imported from the source.
MARK = "hpotool:imported_from"
MOST_AT_ONCE = 2_000  # trials per transaction: some megabytes

# The columns of `template_columns` with several entries per trial, by the column that assigns them to trials.
_PARTS = {
    "value_places": ("values", "value_types"),
    "param_places": ("param_names", "param_values", "distributions"),
    "step_places": ("steps", "step_values", "step_types"),
    "user_places": ("user_keys", "user_values"),
    "system_places": ("system_keys", "system_values"),
}


def write_trials(
    connection: Connection,
    study_id: int,
    trials: Sequence[FrozenTrial],
    seen: str | None = None,
    mark: str | None = None,
) -> list[int]:
    """Append ``trials`` to the study; return their ids in order, or none if the study's mark is not ``seen``.

    A trial that was running when it was read is written as failed, because nothing here would ever end it.

    Raises:
        InputError: a name in them cannot be stored in a database.
    """
    parameters = _columns(trials) | {"study_id": study_id, "mark_key": MARK, "seen": seen, "mark": mark}
    return [trial_id for (trial_id,) in connection.run(query("write_trials"), parameters)]


def _columns(trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    columns: dict[str, list[Any]] = defaultdict(list)
    for index, trial in enumerate(trials):
        own = _own_columns(trial)
        is_running = trial.state is TrialState.RUNNING
        columns["states"].append(TrialState.FAIL.name if is_running else own["state"])
        columns["starts"].append(own["datetime_start"])
        columns["ends"].append(own["datetime_complete"])
        columns["objectives"] += range(len(own["values"]))
        for places, names in _PARTS.items():
            columns[places] += [index] * len(own[names[0]])
            for name in names:
                columns[name] += own[name]
    return {
        name: columns[name] for name in (*_ALONE, *_PARTS, *(name for part in _PARTS.values() for name in part))
    }


_ALONE = ("states", "starts", "ends", "objectives")


def _own_columns(trial: FrozenTrial) -> dict[str, Any]:
    try:
        return template_columns(trial)
    except StorageInternalError as error:
        raise InputError(
            f"trial {trial.number} cannot be stored: {error}", "leave its study out: --study"
        ) from None
