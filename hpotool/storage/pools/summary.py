"""Sums up who used what. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from hpotool.storage.pools.accounts import UsedBy
from hpotool.study.rules.budget import hours_on_gpus, total_cost

Kind = Literal["owner", "project", "study", "outcome", "pool"]


@dataclass(frozen=True)
class UsageLine:
    """What was used under one name; None: by studies that have none of that kind."""

    name: str | None
    gpu_hours: float
    worker_hours: float
    cost: float
    attempts: int
    finished: int

    def as_data(self, kind: Kind) -> dict[str, Any]:
        """The line as plain data, rounded to what is known."""
        return {
            kind: self.name,
            "gpu_hours": round(self.gpu_hours, 3),
            "worker_hours": round(self.worker_hours, 3),
            "cost": round(self.cost, 2),
            "attempts": self.attempts,
            "finished": self.finished,
        }


def sum_up(used: Iterable[UsedBy], kind: Kind) -> list[UsageLine]:
    """One line for each owner, project, study, outcome or pool: those that used most first."""
    groups: dict[str | None, list[UsedBy]] = defaultdict(list)
    for one in used:
        groups[_name(one, kind)].append(one)
    lines = [_line(name, members) for name, members in groups.items()]
    return sorted(lines, key=lambda line: (-line.gpu_hours, -line.worker_hours, line.name or ""))


def _name(one: UsedBy, kind: Kind) -> str | None:
    return one.tags.get("project") if kind == "project" else getattr(one, kind)


def _line(name: str | None, members: Iterable[UsedBy]) -> UsageLine:
    members = list(members)
    return UsageLine(
        name,
        sum(hours_on_gpus({one.slot: one.seconds / 3600}) for one in members),
        sum(one.seconds for one in members) / 3600,
        sum(total_cost({one.slot: one.seconds / 3600}, one.prices) for one in members),
        sum(one.attempts for one in members),
        sum(one.finished for one in members),
    )
