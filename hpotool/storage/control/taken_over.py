"""Copies finished trials from another study: observations that cost nothing.

Allowed if both studies measure the same, as far as hpotool can check; the user confirms that the data is the same.
Copied trials do not use the budget. Importing is idempotent: a trial is copied once, even through another study.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from hpotool.errors import InputError
from hpotool.storage.control.creation import find_study_id
from hpotool.storage.control.orders import StudySettings, read_settings
from hpotool.storage.control.versions import code_differences
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query
from hpotool.storage.database.schema import ensure_schema
from hpotool.storage.optuna.new_trial import template_columns
from hpotool.study.file.differences import differences_in_measuring
from hpotool.study.file.reader import read_study_data
from hpotool.study.rules.replicates import REPLICATE_OF
from hpotool.study.space import complete_params
from hpotool.study.spec import ParameterSpec, StudySpec

TAKEN_FROM = "hpotool:taken_from"  # {"study", "number"}: where the trial ran
_OBSERVED = ("constraints", "hpotool:reports:")  # the system attributes that contain measurements
_HINT = "without --finished, the points are queued to run here"


@dataclass(frozen=True)
class TakenOver:
    """The numbers of the copies, and the numbers of trials left out as outside the space or already copied."""

    numbers: list[int]
    outside: int
    known: int


def take_over(
    connection: Connection, target: str, source: str, trials: Sequence[FrozenTrial], actor: str
) -> TakenOver:
    """Copy complete ``trials`` of the study ``source`` into ``target``, each in one transaction.

    Raises:
        NotFoundError: a study does not exist.
        InputError: the studies do not measure the same; the error lists every difference, and nothing was written.
    """
    ensure_schema(connection.url)
    study_id = find_study_id(connection, target)
    source_spec, spec = _check_same(connection, source, target)
    from_code = {name for trial in trials for name in trial.params}
    from_code -= {parameter.name for parameter in source_spec.search_space}
    numbers: list[int] = []
    outside = known = 0
    for trial in trials:
        origin = trial.system_attrs.get(TAKEN_FROM) or {"study": source, "number": trial.number}
        if origin["study"] == target:
            known += 1
            continue
        taken = _moved(trial, spec.search_space, from_code, origin)
        if taken is None:
            outside += 1
            continue
        parameters = {
            "study_id": study_id,
            "origin": json.dumps(origin),
            "actor": actor,
            "reason": f"finished as trial {origin['number']} of study {origin['study']!r}",
        }
        rows = connection.run(query("take_over"), template_columns(taken) | parameters)
        numbers += [number for (number,) in rows]
        known += not rows
    return TakenOver(numbers, outside, known)


def _check_same(connection: Connection, source: str, target: str) -> list[StudySpec]:
    """The settings of ``source`` and ``target``, if results of one are valid for the other."""
    if source == target:
        raise InputError(f"study {source!r} already has its own trials", "name another study with --from-study")
    stored = {name: read_settings(connection.run, find_study_id(connection, name)) for name in (source, target)}
    specs: list[StudySpec] = []
    found: list[str] = []
    for name, settings in stored.items():
        if settings is None or settings.spec is None:
            found.append(f"study {name!r} was created by plain Optuna, so its objective is unknown")
        else:
            specs.append(read_study_data(settings.spec))
    if not found:
        versions = [settings.versions for settings in stored.values() if isinstance(settings, StudySettings)]
        found = differences_in_measuring(*specs) + code_differences(source, versions[0], target, versions[1])
    if found:
        head = f"finished trials of {source!r} cannot be copied into {target!r}"
        raise InputError("\n".join([head, *found]), _HINT)
    return specs


def _moved(
    trial: FrozenTrial, space: Sequence[ParameterSpec], from_code: set[str], origin: dict[str, object]
) -> FrozenTrial | None:
    """The trial as if it had run in the other study; None if the point is outside that study's space."""
    params = complete_params(space, trial.params, from_code)
    if params is None:
        return None
    taken = copy.deepcopy(trial)
    distributions = trial.distributions | {parameter.name: parameter.distribution for parameter in space}
    taken.params = params
    taken.distributions = {name: distributions[name] for name in params}
    taken.user_attrs = {key: value for key, value in trial.user_attrs.items() if key != REPLICATE_OF}
    observed = {key: value for key, value in trial.system_attrs.items() if key.startswith(_OBSERVED)}
    taken._system_attrs = {**observed, TAKEN_FROM: origin}
    return taken
