"""Says why studies wait, for logs and screens. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from hpotool.storage.pools.places import Place
from hpotool.study.wording import count_of


def describe_waiting(places: Sequence[Place], unfit: Sequence[str] = (), passed_over: Sequence[str] = ()) -> str:
    """Why no study of a pool has a trial for a worker, the studies with the highest priority first.

    ``unfit`` says why it cannot run some, ``passed_over`` why it may not start a trial of others for the moment.
    """
    waiting = [f"{place.study} {describe_place(place)}" for place in places if is_waiting(place)]
    found = [*waiting[:3], *passed_over, *(f"one cannot run here ({reason})" for reason in unfit)]
    more = [count_of(len(waiting) - 3, "more study waits", "more studies wait")] if len(waiting) > 3 else []
    return "; ".join([*found, *more]) or "no study of the pool has anything to do"


def is_waiting(place: Place) -> bool:
    """Whether a study would get trials, if it were not for something that passes."""
    return place.closed_because not in (None, "done", "stopped", "draining")


def describe_place(place: Place) -> str:
    """Why the study gets no trial now, as the rest of a sentence about it; empty if it would get one."""
    match place.closed_because:
        case None:
            return ""
        case "quota":
            return f"is over quota: {place.quota or 'its owner has used it up'}"
        case "capped":
            return f"has {place.running} running, as many as max_running allows"
        case "wait":
            return f"has the rest of its budget in use ({place.running} running)"
        case state:
            return f"is {state}"
