"""A pool of studies on a real database, and workers that take turns in it without running anything."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from optuna.trial import TrialState

from hpotool.storage.control.creation import change_spec, create_or_resume
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import (
    Attempt,
    Ending,
    NoTrial,
    claim_trial,
    finish_attempt,
    new_attempt_id,
)
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.pools.turns import EndedTurn, NoTurn, Turn, choose_study, register_pool_worker
from hpotool.study.file.reader import read_study_file
from hpotool.study.outcome import Outcome

DONE = Ending(Outcome.COMPLETE)
NAMES = itertools.count()


@dataclass
class PoolWorker:
    """A worker of a pool: it chooses, claims, and ends, each when the test says so."""

    connection: Connection
    pool: str = "p"
    slot: str = "cpu"
    host: str = "here"
    devices: tuple[str, ...] = ()
    last: EndedTurn | None = None
    turn: Turn | None = None
    attempt: Attempt | None = None

    def __post_init__(self) -> None:
        self.identity = WorkerIdentity(f"worker-{next(NAMES)}", self.host, 1, "boot", "1", self.slot)
        register_pool_worker(self.connection.run, self.pool, self.identity, devices=self.devices)

    def choose(self, *unfit: int) -> Turn | NoTurn:
        chosen = choose_study(self.connection.run, self.pool, self.last, unfit)
        self.last, self.turn = None, chosen if isinstance(chosen, Turn) else None
        return chosen

    def claim(self) -> Attempt | NoTrial:
        assert self.turn is not None
        found = claim_trial(self.connection.run, self.turn.study_id, self.identity, new_attempt_id(), in_pool=True)
        if isinstance(found, NoTrial):
            self.last = EndedTurn(self.turn, 0.0, found.kind)
        else:
            self.attempt = found
        return found

    def take(self) -> Attempt | None:
        """Choose and claim until there is a trial, or nothing to choose."""
        while isinstance(self.choose(), Turn):
            if isinstance(found := self.claim(), Attempt):
                return found
        return None

    def end(self, took_s: float = 1.0, state: TrialState = TrialState.COMPLETE, ending: Ending = DONE) -> None:
        assert self.attempt is not None
        assert self.turn is not None
        values = [1.0] if state == TrialState.COMPLETE else None
        finish_attempt(self.connection.run, self.attempt, self.identity.worker_id, state, values, ending)
        self.last, self.attempt = EndedTurn(self.turn, took_s), None


@dataclass
class Pool:
    """The studies of a pool by name."""

    connection: Connection
    ids: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, settings: str = "", trials: int | None = 100, pool: str = "p") -> int:
        budget = "" if trials is None else f"budget: {{trials: {trials}}}\n"
        text = (
            f"study: {name}\nobjective: {{python: nowhere:objective}}\nmetrics: {{loss: minimize}}\n"
            f"search_space: {{x: {{float: [0, 1]}}}}\n{budget}pool: {pool}\n{settings}"
        )
        create_or_resume(self.connection, read_study_file(text), "test")
        [(self.ids[name],)] = self.connection.run("SELECT study_id FROM studies WHERE study_name = %s", (name,))
        return self.ids[name]

    def change(self, name: str, **changes: object) -> None:
        change_spec(self.connection, name, lambda spec: replace(spec, **changes), "test")  # type: ignore[arg-type]

    def worker(self, **facts: Any) -> PoolWorker:
        return PoolWorker(self.connection, **facts)

    def name_of(self, turn: Turn | NoTurn) -> str | None:
        names = {study_id: name for name, study_id in self.ids.items()}
        return names[turn.study_id] if isinstance(turn, Turn) else None

    def serve(self, workers: list[PoolWorker], turns: int, took_s: Callable[[str], float] = lambda _: 1.0) -> None:
        """Let the workers, all busy at first, end and take trials in turn."""
        for worker in workers:
            assert worker.take()
        for worker in itertools.islice(itertools.cycle(workers), turns):
            assert worker.turn is not None
            worker.end(took_s(self.name_of(worker.turn) or ""))
            assert worker.take()

    def claimed(self) -> dict[str, int]:
        rows = self.connection.run(
            "SELECT study_name, count(*) FROM hpotool.attempts JOIN studies USING (study_id) GROUP BY study_name"
        )
        return dict(rows)


@pytest.fixture
def pool(study_database_url: str) -> Iterator[Pool]:
    connection = Connection(DatabaseUrl.parse(study_database_url))
    yield Pool(connection)
    connection.close()
