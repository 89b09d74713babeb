"""Final trainings: re-evaluations that one command runs, and nobody else takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hpotool.errors import InputError, paste
from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import Run
from hpotool.study.phase import Reevaluation

ARTIFACTS = "hpotool:artifacts"  # of a final training: what it kept, and what it was made of


def queue_final(run: Run, study_id: int, study: str, point: str, params: Mapping[str, Any], actor: str) -> int:
    """Queue a final training of a point, or find the one that was interrupted; the id of its trial.

    Raises:
        InputError: one runs already.
    """
    rows = [(number, state, Reevaluation(**json.loads(mark))) for number, state, mark, *_ in _read(run, study_id)]
    own = [
        (number, state)
        for number, state, reevaluation in rows
        if reevaluation.phase == "final" and reevaluation.point == point
    ]
    for number, state in own:
        if state == "RUNNING":
            raise InputError(
                f"the final training of {point} runs already, as trial {number}",
                f"look at it: {paste('show', '--study', study, str(number))}",
            )
        if state == "WAITING":
            return _trial_id(run, study_id, number)
    [(_, seen)] = run(query("read_order"), {"study_id": study_id})
    parameters = {
        "study_id": study_id,
        "points": [json.dumps(dict(params))],
        "marks": [json.dumps(Reevaluation("final", point, len(own)).to_attribute())],
        "confirms": [None],
        "order": None,
        "seen": seen,
        "actor": actor,
        "kind": "final",
        "reason": point,
    }
    [(_, numbers)] = run(query("queue_reevaluations"), parameters)
    if not numbers:  # somebody else has queued it, or ordered something, since we looked
        return queue_final(run, study_id, study, point, params, actor)
    return _trial_id(run, study_id, int(numbers[0]))


def _read(run: Run, study_id: int) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in run(query("read_reevaluations"), {"study_id": study_id})]


def _trial_id(run: Run, study_id: int, number: int) -> int:
    [(trial_id,)] = run(query("find_trial"), {"study_id": study_id, "number": number})
    return int(trial_id)
