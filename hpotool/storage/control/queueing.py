"""Queues trials: points that people want to try, and branches, which continue a finished trial."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, check_distribution_compatibility, json_to_distribution

from hpotool.errors import InputError
from hpotool.storage.control.creation import find_study_id
from hpotool.storage.control.orders import adopt_study, read_settings
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query
from hpotool.storage.database.schema import ensure_schema
from hpotool.storage.fleet.attempts import Run
from hpotool.study.branch import Branch
from hpotool.study.file.reader import read_study_data
from hpotool.study.space import check_point
from hpotool.study.spec import ParameterSpec

_KNOWN_DISTRIBUTIONS = """
SELECT DISTINCT param_name, distribution_json FROM trial_params JOIN trials USING (trial_id) WHERE study_id = %s
"""


def enqueue_points(
    connection: Connection, study_name: str, points: Sequence[Mapping[str, Any]], actor: str
) -> tuple[list[int], bool]:
    """Queue the points; return the numbers of their trials, and whether they could be checked.

    If the study file has no search space, points are checked against the parameters of earlier trials; before the
    first trial, they cannot be checked.

    Raises:
        NotFoundError: the study does not exist.
        InputError: a point is outside the search space; nothing was queued.
    """
    ensure_schema(connection.url)
    study_id = find_study_id(connection, study_name)
    space = known_space(connection, study_id)
    checked = [check_point(space, point, partial=True) if space else (dict(point), {}) for point in points]
    problems = [
        f"point {place}: {sentence}" if len(points) > 1 else sentence
        for place, (_, wrong) in enumerate(checked, start=1)
        for sentence in wrong.values()
    ]
    if problems:
        raise InputError("\n".join(problems), "nothing was queued; correct the point and run the command again")
    adopt_study(connection.run, study_id)
    rows = connection.run(
        query("enqueue"),
        {"study_id": study_id, "points": [json.dumps(values) for values, _ in checked], "actor": actor},
    )
    return [number for (number,) in rows], bool(space)


def queue_branch(
    run: Run, study_id: int, branch: Branch, params: Mapping[str, Any], reason: str, actor: str
) -> int | None:
    """Queue a trial that continues a finished one, with these parameters; return its number.

    None: the predecessor already has a successor, all branches of the budget are reserved, or the study is not
    running. However many workers try this, a predecessor gets one successor, unless that fails for good.
    """
    rows = run(
        query("queue_branch"),
        {
            "study_id": study_id,
            "predecessor": branch.predecessor,
            "params": json.dumps(dict(params)),
            "branch": json.dumps(branch.to_attribute()),
            "reason": reason,
            "actor": actor,
        },
    )
    return int(rows[0][0]) if rows else None


def known_space(connection: Connection, study_id: int) -> Sequence[ParameterSpec]:
    """The study's search space: from its file, else from its trials' parameters; empty if still unknown."""
    settings = read_settings(connection.run, study_id)
    in_file = read_study_data(settings.spec).search_space if settings and settings.spec else ()
    if in_file:
        return in_file
    known: dict[str, BaseDistribution] = {}
    for name, text in connection.run(_KNOWN_DISTRIBUTIONS, (study_id,)):
        distribution = json_to_distribution(text)
        # If a range has changed in the meantime, either version will do.
        if name in known:
            check_distribution_compatibility(known[name], distribution)
        known[name] = distribution
    return tuple(ParameterSpec(name, distribution) for name, distribution in known.items())
