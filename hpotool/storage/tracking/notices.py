"""What people are told about a study: each notice entered once, and sent by one process at a time.

Entering is a statement of its own that only the job's holder gets through. A notice is claimed before it is sent,
for a while: whoever is killed on the way loses it to the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import Run
from hpotool.storage.tracking.jobs import Job


@dataclass(frozen=True)
class ClaimedNotice:
    """A notice that this process may send now. ``sent_to`` are those that have it, as hashes with ``salt``."""

    notice_id: int
    occasion: str
    title: str
    body: str
    tries: int
    sent_to: tuple[str, ...]
    salt: str


@dataclass(frozen=True)
class Notice:
    """What people were told, or are still to be told."""

    occasion: str
    title: str
    body: str
    noticed_at: datetime
    sent_at: datetime | None
    tries: int
    trouble: str | None


@dataclass(frozen=True)
class Activity:
    """What says whether a study gets on.

    Attributes:
        working: workers that were heard of lately.
        last_heard_s: when the last worker was heard of or left, in seconds since 1970; None: there never was one.
        silent_s: how long ago that was.
        last_reason: why that one left; None where it fell silent.
        begun_s: how long ago the first trial began.
        endings: number, outcome and reason of the last attempts, the newest first.
    """

    working: int
    last_heard_s: float | None
    silent_s: float | None
    last_reason: str | None
    begun_s: float | None
    endings: tuple[tuple[int, str, str], ...]


def tell_events(
    run: Run, job: Job, occasion: str, title: str, *, kind: str, to_state: str | None, reason: str
) -> None:
    """Enter a notice for each event of that kind whose reason begins so, since somebody wants to be told."""
    words = {"occasion": occasion, "title": title}
    run(query("tell_events"), {**job.parameters, **words, "kind": kind, "to_state": to_state, "reason": reason})


def tell(
    run: Run, job: Job, occasion: str, key: str, title: str, body: str, not_within: timedelta = timedelta()
) -> bool:
    """Enter a notice. False: it was there, or one of its occasion is younger than that, or the job is not held."""
    words = {"occasion": occasion, "key": key, "title": title, "body": body}
    return bool(run(query("tell"), {**job.parameters, **words, "not_within_s": not_within.total_seconds()}))


def claim_notice(run: Run, job: Job, held_for: timedelta) -> ClaimedNotice | None:
    """The oldest notice that is due; nobody else is given it for so long."""
    rows = run(query("claim_notice"), {**job.parameters, "for_s": held_for.total_seconds()})
    if not rows:
        return None
    notice_id, occasion, title, body, tries, sent_to, salt = rows[0]
    return ClaimedNotice(notice_id, occasion, title, body, tries, tuple(sent_to), salt)


def settle_notice(
    run: Run,
    job: Job,
    notice: ClaimedNotice,
    sent_to: Sequence[str],
    *,
    is_sent: bool,
    trouble: str | None = None,
    again_in: timedelta = timedelta(),
) -> None:
    """Note who has the notice, and that it is done with or when to try again."""
    parameters = {
        "notice_id": notice.notice_id,
        "holder": job.holder,
        "sent_to": list(sent_to),
        "is_sent": is_sent,
        "trouble": trouble,
        "again_in_s": again_in.total_seconds(),
    }
    run(query("settle_notice"), parameters)


def list_notices(run: Run, study_id: int) -> list[Notice]:
    """What people were told, or are still to be told, oldest first."""
    return [Notice(*row) for row in run(query("list_notices"), {"study_id": study_id})]


def count_unsent(run: Run, study_id: int) -> int:
    """How many notices are still to be sent."""
    [(count,)] = run(query("unsent_notices"), {"study_id": study_id})
    return int(count)


def read_activity(run: Run, job: Job, grace: timedelta, last: int) -> Activity:
    """Whether the study gets on: its workers and the ``last`` attempts that say something about the objective."""
    parameters = {**job.parameters, "grace_s": grace.total_seconds(), "last": last}
    [(working, heard_s, silent_s, reason, begun_s, endings)] = run(query("watch_workers"), parameters)
    ended = tuple((number, outcome, why or "") for number, outcome, why in endings)
    return Activity(working, heard_s, silent_s, reason, begun_s, ended)


def read_best(run: Run, study_id: int, *, maximize: bool) -> tuple[int, float] | None:
    """Number and value of the best trial of a study of one metric; None while there is none."""
    rows = run(query("best_of_one"), {"study_id": study_id, "maximize": maximize})
    return (rows[0][0], float(rows[0][1])) if rows else None
