"""A study on a real database, and workers for it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import optuna
import pytest

from hpotool.storage.control import orders
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Attempt, NoTrial, claim_trial, new_attempt_id
from hpotool.storage.fleet.worker_identity import WorkerIdentity


@dataclass
class StudyOnPostgres:
    """A study of this test: its id, a connection, and plain Optuna's view of it."""

    url: DatabaseUrl
    study_id: int
    connection: Connection
    optuna: optuna.Study
    workers: list[WorkerIdentity] = field(default_factory=list)

    def worker(self, **changes: object) -> WorkerIdentity:
        name = f"worker-{len(self.workers)}-{uuid.uuid4().hex[:8]}"
        facts = {"host": "here", "pid": 1, "process_space": "boot", "process_start": "1", "slot": "cpu"}
        worker = WorkerIdentity(worker_id=name, **(facts | changes))
        orders.register_worker(self.connection.run, self.study_id, worker)
        self.workers.append(worker)
        return worker

    def set_budget(self, trials: int | None, branch_places: int = 0) -> None:
        orders.write_settings(
            self.connection.run,
            self.study_id,
            spec=None,
            spec_hash=None,
            versions={},
            budget_trials=trials,
            branch_places=branch_places,
            actor="test",
        )

    def claim(self, worker: WorkerIdentity) -> Attempt | NoTrial:
        return claim_trial(self.connection.run, self.study_id, worker, new_attempt_id())

    def states(self) -> dict[int, str]:
        return {trial.number: trial.state.name for trial in self.optuna.get_trials(deepcopy=False)}


@pytest.fixture
def make_study(study_database_url: str) -> Iterator[Callable[..., StudyOnPostgres]]:
    opened: list[StudyOnPostgres] = []

    def make(budget: int | None = None, **create: object) -> StudyOnPostgres:
        url = DatabaseUrl.parse(study_database_url)
        study = optuna.create_study(storage=optuna.storages.RDBStorage(url.sqlalchemy), **create)
        made = StudyOnPostgres(url, study._study_id, Connection(url), study)
        made.set_budget(budget)
        opened.append(made)
        return made

    yield make
    for study in opened:
        study.connection.close()
        study.optuna._storage._backend.engine.dispose()
