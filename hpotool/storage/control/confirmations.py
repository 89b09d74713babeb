"""Orders to confirm points, and the replicates that they asked for.

Promise: a replicate that was asked for is there once, whoever asks again and however often, and the order that it
belongs to is stored in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from hpotool.errors import InputError
from hpotool.storage.control.orders import cancel_trial, retry_trial
from hpotool.storage.database.queries import query, to_jsonb
from hpotool.storage.fleet.attempts import Run
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.confirmation.rounds import Replicate, next_round
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.replicates import Measurement
from hpotool.study.wording import count_of

_CONSTRAINT = "constraints:"


@dataclass(frozen=True)
class Confirmation:
    """What a study was asked to confirm, and how far that is. ``fingerprint`` changes with the order."""

    order: Order
    replicates: tuple[Replicate, ...]
    fingerprint: str

    @property
    def is_open(self) -> bool:
        """Whether replicates run or wait."""
        return any(one.is_open for one in self.replicates)


def read_confirmation(run: Run, study_id: int) -> Confirmation | None:
    """What the study was asked to confirm; None: nothing."""
    [(data, fingerprint)] = run(query("read_order"), {"study_id": study_id}) or [(None, None)]
    if data is None:
        return None
    found = [_read(*row) for row in run(query("read_reevaluations"), {"study_id": study_id})]
    return Confirmation(
        Order.from_data(data), tuple(one for one in found if one.reevaluation.phase == "confirm"), fingerprint
    )


def order_confirmation(
    run: Run,
    study_id: int,
    actor: str,
    extend: Callable[[Order | None], Order],
    points: Sequence[Point] | None = None,
) -> tuple[Order, list[int]]:
    """Store the order that ``extend`` makes of the present one, and queue the replicates that are missing.

    ``points``: only of these; what was ordered before of others is not measured more often for their sake.

    Returns the order and the numbers of what was queued. Of two who order at once, the second one's order includes
    the first one's.
    """
    while True:
        [(data, seen)] = run(query("read_order"), {"study_id": study_id})
        order = extend(None if data is None else Order.from_data(data))
        stored, numbers = _queue(run, study_id, order, order.replicates(points), actor, seen, store=True)
        if stored:
            return order, numbers


def queue_cancelled_again(run: Run, study_id: int, order: Order, points: Sequence[Point], actor: str) -> list[int]:
    """Queue those replicates of these points again that somebody cancelled; the numbers of the new trials."""
    found, wanted = read_confirmation(run, study_id), set(order.replicates(points))
    queued = []
    for one in found.replicates if found else ():
        if one.is_cancelled and one.reevaluation in wanted:
            with suppress(InputError):  # somebody else has just done so
                queued.append(retry_trial(run, study_id, one.number, actor))
    return queued


def cancel_confirmation(run: Run, study_id: int, actor: str) -> list[int]:
    """Cancel the replicates that wait or run, and let no further ones be added; the numbers of those cancelled."""
    is_stored, found = False, read_confirmation(run, study_id)
    while found is not None and not is_stored:
        last = replace(found.order, confidence=None, most=None)
        is_stored, _ = _queue(run, study_id, last, [], actor, found.fingerprint, store=True)
        found = read_confirmation(run, study_id)
    cancelled = []
    for one in found.replicates if found else ():
        if one.is_open:
            with suppress(InputError):  # it has just ended
                cancel_trial(run, study_id, one.number, "the confirmation was cancelled", actor)
                cancelled.append(one.number)
    return cancelled


def order_next_round(run: Run, study_id: int, actor: str, signs: Sequence[float]) -> list[int]:
    """Queue the replicates that the answer still needs; the numbers of those that nobody had queued before."""
    found = read_confirmation(run, study_id)
    if found is None:
        return []
    more = next_round(found.order, found.replicates, signs)
    return _queue(run, study_id, found.order, more, actor, found.fingerprint, store=False)[1] if more else []


def _queue(
    run: Run,
    study_id: int,
    order: Order,
    wanted: Sequence[Reevaluation],
    actor: str,
    seen: str | None,
    *,
    store: bool,
) -> tuple[bool, list[int]]:
    params = {point.name: json.dumps(dict(point.params)) for point in order.points}
    parameters = {
        "study_id": study_id,
        "points": [params[reevaluation.point] for reevaluation in wanted],
        "marks": [json.dumps(reevaluation.to_attribute()) for reevaluation in wanted],
        "confirms": [json.dumps(reevaluation.point) for reevaluation in wanted],
        "order": to_jsonb(order.to_data()) if store else None,
        "seen": seen,
        "actor": actor,
        "kind": "confirm",
        "reason": count_of(len(order.points), "point") if store else "it is not decided yet",
    }
    [(is_stored, numbers)] = run(query("queue_reevaluations"), parameters)
    return bool(is_stored), [int(number) for number in numbers]


def _read(
    number: int,
    state: str,
    mark: str,
    values: Sequence[float],
    violations: dict[str, float | str],
    outcome: str | None,
    reason: str | None,
) -> Replicate:
    # An infinite violation comes as a text, because JSON has no infinity.
    named = {key.removeprefix(_CONSTRAINT): float(violation) for key, violation in violations.items()}
    measured = Measurement(tuple(values), named) if state == "COMPLETE" else None
    return Replicate(Reevaluation(**json.loads(mark)), number, state, measured, outcome, reason)
