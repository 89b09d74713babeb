"""The scratch study of a drill: made, watched over outages of the database, and deleted."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from hpotool.drill.attacks import Guest
from hpotool.drill.objective import START
from hpotool.drill.plan import Plan
from hpotool.errors import DatabaseUnreachableError
from hpotool.storage.control import keeping, orders
from hpotool.storage.control.creation import create_or_resume, find_study_id
from hpotool.storage.database.connection import Connection
from hpotool.storage.monitoring.evidence import Evidence, read_evidence
from hpotool.study.file.reader import read_study_data
from hpotool.worker.membership.identity import process_space

PREFIX = "drill-"
_PATIENCE_S = 120.0
# One of each: a point that fails, one whose process dies, a slow one, and one that is pruned.
_PLANNED = (0.04, 0.12, 0.2, 0.3)
T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far the study is. While the database is away, nothing is known and nothing is claimed."""

    finished: int = 0
    running: int = 0
    waiting: int = 0
    workers: frozenset[str] = frozenset()
    is_known: bool = True


@dataclass(frozen=True)
class Scratch:
    """A study that exists for one drill only."""

    connection: Connection
    name: str
    study_id: int

    @classmethod
    def create(cls, connection: Connection, plan: Plan, actor: str) -> Scratch:
        """Create it, under a name that no other has."""
        name = f"{PREFIX}{secrets.token_hex(3)}"
        create_or_resume(connection, read_study_data(study_data(name, plan)), actor)
        return cls(connection, name, find_study_id(connection, name))

    def progress(self) -> Progress:
        """How far it is now."""
        run = self.connection.run
        try:
            counts = orders.count_budget(run, self.study_id)
            workers = frozenset(each.worker_id for each in orders.list_workers(run, self.study_id))
        except DatabaseUnreachableError:
            return Progress(is_known=False)
        return Progress(counts.finished, counts.running, counts.waiting, workers)

    def guests(self, own: frozenset[int]) -> list[Guest]:
        """The workers that live on this machine, except those whose processes are the drill's ``own``."""
        try:
            workers = orders.list_workers(self.connection.run, self.study_id)
        except DatabaseUnreachableError:
            return []
        here = [each for each in workers if each.process_space == process_space() and each.pid not in own]
        guests = [Guest(each.worker_id, each.pid, each.process_start) for each in here]
        return [guest for guest in guests if guest.is_alive]

    def evidence(self) -> Evidence:
        """What is left of it."""
        return _over_an_outage(lambda: read_evidence(self.connection.run, self.study_id, START))

    def end(self, within_s: float) -> None:
        """Ask those who joined to leave, and wait for them, but not for long."""
        run, reason = self.connection.run, "the drill is over"
        _over_an_outage(lambda: orders.change_running_study(run, self.study_id, "stopped", reason, self.name))
        until = time.monotonic() + within_s
        while self.progress().workers and time.monotonic() < until:
            time.sleep(0.1)

    def delete(self) -> None:
        """Delete it with everything that belongs to it."""
        _over_an_outage(lambda: keeping.delete_study(self.connection, self.study_id))


def study_data(name: str, plan: Plan) -> Mapping[str, Any]:
    """The scratch study, as its file would have it."""
    return {
        "study": name,
        "description": "a drill: made to be attacked, and deleted afterwards",
        "objective": {"python": "hpotool.drill.objective:objective"},
        "metrics": {"value": "minimize"},
        "sampler": {"name": "random", "seed": plan.seed},
        "budget": {"trials": plan.trials},
        "breaker": "off",
        "warm_start": [{"x": x} for x in _PLANNED],
        "search_space": {"x": {"float": [0.0, 1.0]}},
    }


def _over_an_outage(ask: Callable[[], T]) -> T:
    """Ask the database, and wait if somebody has it away as part of the drill."""
    give_up_at = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return ask()
        except DatabaseUnreachableError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(1.0)
