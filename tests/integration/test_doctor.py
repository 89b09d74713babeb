"""``hpotool doctor`` finds each trouble of a database and a study when it is made, and nothing before."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest

from hpotool.doctor.examine import examine_database, examine_study
from hpotool.doctor.finding import Found
from hpotool.storage.control import launches, orders
from hpotool.storage.control.creation import create_or_resume, find_study_id
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Attempt, Ending, claim_trial, finish_attempt, new_attempt_id
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.study.file.reader import read_study_file
from hpotool.study.outcome import Outcome
from tests.acceptance.command_line import wait_until
from tests.postgres import PASSWORD, TestServer

STUDY = """
study: mine
objective: {python: "model:objective", timeout: 1h}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
budget: {trials: 40}
"""
LONG_AGO = "clock_timestamp() - interval '1 day'"


@dataclass
class Patient:
    """A study on a database of its own, and how to make it ill."""

    postgres: TestServer
    url: DatabaseUrl
    folder: Path
    connection: Connection
    study_id: int = 0
    name: str = ""
    opened: list[psycopg2.extensions.connection] = field(default_factory=list)

    def sql(self, *statements: str) -> None:
        for statement in statements:
            self.connection.run(statement)

    def create(self, text: str = STUDY, name: str = "mine") -> None:
        create_or_resume(self.connection, read_study_file(text.replace("mine", name), "study.yaml", []), "me")
        self.study_id, self.name = find_study_id(self.connection, name), name

    def worker(self, host: str = "a", slot: str = "cpu", launch_id: str | None = None) -> WorkerIdentity:
        worker = WorkerIdentity(f"{host}-{uuid.uuid4().hex[:6]}", host, 1, "boot", "1", slot)
        orders.register_worker(self.connection.run, self.study_id, worker, launch_id, "place")
        return worker

    def claim(self, worker: WorkerIdentity) -> Attempt:
        attempt = claim_trial(self.connection.run, self.study_id, worker, new_attempt_id())
        assert isinstance(attempt, Attempt)
        return attempt

    def end(self, worker: WorkerIdentity, outcome: Outcome, follow_up: str = "none") -> None:
        from optuna.trial import TrialState

        state = TrialState.COMPLETE if outcome is Outcome.COMPLETE else TrialState.FAIL
        values = [1.0] if outcome is Outcome.COMPLETE else None
        ending = Ending(outcome, "because", follow_up=follow_up)  # type: ignore[arg-type]
        finish_attempt(self.connection.run, self.claim(worker), worker.worker_id, state, values, ending)

    def launch(self, wanted: int) -> None:
        launches.record_launch(self.connection.run, self.study_id, "ssh-1", "ssh", wanted, {}, "me", "")

    def findings(self, url: DatabaseUrl | None = None) -> dict[str, Found]:
        connection = Connection(url or self.url)
        found = examine_database(connection)
        if url is None and not any(each.finding.verdict == "broken" for each in found):
            found += examine_study(connection, self.name)
        connection.close()
        return {each.check: each for each in found}


@pytest.fixture
def patient(
    postgres: TestServer, study_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Patient]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text("def objective(trial): return trial.params['x']\n")
    url = DatabaseUrl.parse(study_database_url)
    made = Patient(postgres, url, tmp_path, Connection(url))
    made.create()
    yield made
    made.connection.close()
    for connection in made.opened:
        connection.close()


def _leave_a_transaction_open(patient: Patient) -> None:
    connection = psycopg2.connect(patient.url.libpq)
    patient.opened.append(connection)
    connection.cursor().execute("UPDATE hpotool.study_settings SET state_reason = ''")


def _give_a_number_twice(patient: Patient) -> None:
    patient.sql(
        "DROP INDEX hpotool_trials_number",
        "INSERT INTO trials (study_id, number, state) "
        "SELECT study_id, 7, 'COMPLETE' FROM studies, generate_series(1, 2)",
    )


def _silence(patient: Patient) -> None:
    patient.claim(patient.worker())
    patient.sql(f"UPDATE hpotool.workers SET last_beat = {LONG_AGO}")


def _forget_a_retry(patient: Patient) -> None:
    patient.end(patient.worker(), Outcome.LOST, "retry")
    patient.sql("DELETE FROM hpotool.retries", "UPDATE trials SET state = 'FAIL'")


def _run_plain_optuna(patient: Patient) -> None:
    patient.sql("INSERT INTO trials (study_id, number, state) SELECT study_id, 0, 'RUNNING' FROM studies")


def _fail_on_one_host(patient: Patient) -> None:
    for host, outcome in (("good", Outcome.COMPLETE), ("bad", Outcome.ERROR)):
        worker = patient.worker(host)
        for _ in range(6):
            patient.end(worker, outcome)


def _fail_everywhere(patient: Patient) -> None:
    worker = patient.worker()
    for _ in range(12):
        patient.end(worker, Outcome.ERROR)


def _share_a_gpu(patient: Patient) -> None:
    for _ in range(2):
        patient.worker("a", "gpu 0 (H100)")


def _end_with_jobs_left(patient: Patient) -> None:
    patient.launch(3)
    orders.set_state(patient.connection.run, patient.study_id, "stopped", "", "me")


def _be_a_role_without_rights(patient: Patient) -> DatabaseUrl:
    role = f"reader_{uuid.uuid4().hex[:8]}"
    patient.sql(
        f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'",
        f"GRANT USAGE ON SCHEMA public, hpotool TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public, hpotool TO {role}",
    )
    return DatabaseUrl(patient.url.url.set(username=role))


def _lose_the_database(patient: Patient) -> DatabaseUrl:
    return DatabaseUrl(patient.url.url.set(port=1))


def _limit_connections(patient: Patient) -> None:
    patient.sql(f'ALTER DATABASE "{patient.url.url.database}" CONNECTION LIMIT 3')


def _note_a_mismatch(patient: Patient) -> None:
    orders.note_pruner_mismatch(patient.connection.run, patient.study_id, "it reports 3 steps", "me")


TROUBLES: dict[str, tuple[str, Callable[[Patient], object]]] = {
    "answers": ("broken", _lose_the_database),
    "tables": ("broken", lambda p: p.sql("UPDATE hpotool.schema_version SET version = 1")),
    "rights": ("broken", _be_a_role_without_rights),
    "connections": ("warning", _limit_connections),
    "open transactions": ("broken", _leave_a_transaction_open),
    "vacuum": ("warning", lambda p: p.sql("ALTER TABLE trials SET (autovacuum_enabled = false)")),
    "trial numbers": ("warning", _give_a_number_twice),
    "state": ("warning", lambda p: orders.set_state(p.connection.run, p.study_id, "paused", "lunch", "me")),
    "code": ("warning", lambda p: (p.folder / "model.py").write_text("x = 1")),
    "objective": ("broken", lambda p: (p.folder / "model.py").unlink()),
    "variables": ("broken", lambda p: p.create(_commanded(), "other")),
    "limits of a trial": ("warning", lambda p: p.create(STUDY.replace(", timeout: 1h", ""), "other")),
    "budget": ("warning", lambda p: p.create(STUDY.replace("budget: {trials: 40}", ""), "other")),
    "workers": ("warning", _silence),
    "silent workers": ("warning", _silence),
    "versions of workers": (
        "warning",
        lambda p: (p.worker(), p.sql("UPDATE hpotool.workers SET version = '0.0.1'")),
    ),
    "shared GPUs": ("warning", _share_a_gpu),
    "lost trials": ("warning", _silence),
    "trials without heartbeat": ("warning", _run_plain_optuna),
    "retries": ("warning", _forget_a_retry),
    "failures": ("warning", _fail_everywhere),
    "failing host": ("warning", _fail_on_one_host),
    "pruner": ("warning", _note_a_mismatch),
    "missing workers": ("warning", lambda p: p.launch(3)),
    "left jobs": ("warning", _end_with_jobs_left),
}


def _commanded() -> str:
    return STUDY.replace(
        '{python: "model:objective", timeout: 1h}', "{command: [ls, '${NOWHERE_SET}', '{x}'], stall: 1h}"
    )


def test_a_sound_study_has_nothing(patient: Patient) -> None:
    found = {check: each.finding for check, each in patient.findings().items() if each.finding.verdict != "ok"}
    assert list(found) == ["durability"], "the tests' own server is fast, and says why"


@pytest.mark.parametrize("check", TROUBLES)
def test_each_trouble_is_found_when_it_is_made(patient: Patient, check: str) -> None:
    verdict, make = TROUBLES[check]
    made = make(patient)
    url = made if isinstance(made, DatabaseUrl) else None

    def look() -> Found | None:
        found = patient.findings(url)[check]
        return found if found.finding.verdict == verdict else None

    found = wait_until(look, f"{check} is found")  # a transaction counts as left after some seconds
    assert found.finding.says
    assert found.finding.remedy
