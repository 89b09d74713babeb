"""Quotas of owners in GPU-hours, and who used what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import Run

Period = Literal["day", "week", "month"]


@dataclass(frozen=True)
class Quota:
    """What an owner may use in each period, and what is used in the current one, which ends at ``until`` (UTC)."""

    owner: str
    period: Period
    gpu_hours: float
    used: float
    until: datetime
    set_by: str

    @property
    def is_used_up(self) -> bool:
        """Whether the owner's studies get no new trials until the period ends."""
        return self.used >= self.gpu_hours


@dataclass(frozen=True)
class UsedBy:
    """Attempts of one study with one outcome on one kind of slot: their time, and how many there were."""

    study: str
    owner: str | None
    pool: str | None
    tags: Mapping[str, str]
    prices: Mapping[str, float]
    outcome: str
    slot: str
    seconds: float
    attempts: int
    finished: int


def set_quota(run: Run, owner: str, period: Period, gpu_hours: float, actor: str) -> None:
    """Let an owner use that many GPU-hours in each period; replaces an earlier quota for it."""
    run(query("set_quota"), {"owner": owner, "period": period, "gpu_hours": gpu_hours, "actor": actor})


def remove_quota(run: Run, owner: str, period: Period | None = None) -> int:
    """Remove an owner's quota for a period, or all of them; return how many there were."""
    [(count,)] = run(query("remove_quota"), {"owner": owner, "period": period})
    return int(count)


def list_quotas(run: Run) -> list[Quota]:
    """All quotas, by owner."""
    return [Quota(*row) for row in run(query("list_quotas"), {})]


def usage_since(run: Run, since: timedelta) -> list[UsedBy]:
    """What ran within ``since``, by study, owner, pool, outcome and slot."""
    rows = run(query("usage_since"), {"since_s": since.total_seconds()})
    return [
        UsedBy(study, owner, pool, tags or {}, prices or {}, outcome, slot, seconds, attempts, finished)
        for study, owner, pool, tags, prices, outcome, slot, seconds, attempts, finished in rows
    ]
