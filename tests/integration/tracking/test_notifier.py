"""What people are told, on a real database and to real servers: each once, whoever looks, sends and is killed."""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.storage.control.confirmations import order_confirmation
from hpotool.storage.control.creation import create_or_resume, read_spec
from hpotool.storage.control.keeping import delete_study
from hpotool.storage.control.orders import adopt_study, end_worker, register_worker, set_state
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Attempt, Ending, claim_trial, finish_attempt, new_attempt_id
from hpotool.storage.fleet.quarantines import begin_quarantine, lift_quarantines
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.open import open_storage
from hpotool.storage.tracking.jobs import Job, take_job
from hpotool.storage.tracking.notices import claim_notice, list_notices, settle_notice, tell
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.file.reader import read_study_file
from hpotool.study.outcome import Outcome
from hpotool.study.phase import PHASE_ATTRIBUTE, Reevaluation
from hpotool.study.rules.quarantine import Place
from hpotool.tracking.notify.notifier import JOB_NAME, Notifier, Until
from hpotool.tracking.notify.send import Sender
from tests.acceptance.command_line import wait_until
from tests.notice_targets import Webhook, mail_server, webhook

pytest.importorskip("apprise")
LONG, GRACE = timedelta(hours=1), timedelta(seconds=30)
STUDY = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\nnotify: {best_every: 1h}\n"


class Told:
    """A study, and a notifier of it that looks when the test says."""

    def __init__(self, url: str) -> None:
        self.connection = Connection(DatabaseUrl.parse(url))
        self.run = self.connection.run
        create_or_resume(self.connection, read_study_file(STUDY), "ann")
        self.study_id, _ = read_spec(self.connection, "s")
        self.study = optuna.load_study(study_name="s", storage=open_storage(url))
        self.job = Job(self.study_id, JOB_NAME, "me")
        assert take_job(self.run, self.job, LONG) is not None

    def look(self, *addresses: str, is_last: bool = False) -> None:
        notifier = Notifier(self.run, self.job, Sender(addresses), GRACE, threading.Event())
        notifier.watch("sent", is_workers_last_look=is_last)

    def event(self, kind: str, reason: str, to_state: str | None = None) -> None:
        self.run(
            "INSERT INTO hpotool.events (study_id, kind, actor, to_state, reason) VALUES (%s, %s, 'w1', %s, %s)",
            (self.study_id, kind, to_state, reason),  # type: ignore[arg-type]
        )

    def due_now(self) -> None:
        """As if the time until the next try had passed."""
        self.run("UPDATE hpotool.notices SET try_after = clock_timestamp() WHERE sent_at IS NULL", {})


@pytest.fixture
def told(study_database_url: str) -> Iterator[Told]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    told = Told(study_database_url)
    yield told
    told.connection.close()


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as hook:
        yield hook


def test_each_event_of_the_log_is_told_once(told: Told, hook: Webhook) -> None:
    worker = WorkerIdentity("w1", "gpu7", 1, "space", "start", "cpu")
    register_worker(told.run, told.study_id, worker)
    end_worker(told.run, "w1", "circuit breaker: 5 failures in a row here, 0 elsewhere")
    told.event("drift", "data/train.csv is another file on gpu7")
    begin_quarantine(told.run, told.study_id, Place("gpu7"), "it fails", "w1")
    lift_quarantines(told.run, told.study_id, "gpu7", "ann")
    told.event("note", "nobody is told this")
    set_state(told.run, told.study_id, "paused", "for now", "ann")
    set_state(told.run, told.study_id, "stopped", "enough", "ann")
    for _ in range(3):
        told.look(hook.address)
    assert dict(zip(hook.titles, hook.texts, strict=True)) == {
        "a worker of s gave up": "circuit breaker: 5 failures in a row here, 0 elsewhere (by w1)",
        "code or data of s differ": "data/train.csv is another file on gpu7 (by w1)",
        "a part of s's fleet is in quarantine": "gpu7: it fails (by w1)",
        "s was stopped": "enough (by ann)",
    }
    set_state(told.run, told.study_id, "running", "", "ann")
    set_state(told.run, told.study_id, "stopped", "again", "ann")
    told.look(hook.address)
    assert hook.texts[4:] == ["again (by ann)"]


def test_what_happened_before_anybody_wanted_to_know_is_not_told(study_database_url: str, hook: Webhook) -> None:
    told = Told(study_database_url)
    set_state(told.run, told.study_id, "stopped", "long ago", "ann")
    told.run("DELETE FROM hpotool.side_jobs", {})
    take_job(told.run, told.job, LONG)
    told.look(hook.address)
    assert hook.titles == []
    told.connection.close()


def test_nobody_works_is_told_when_the_last_one_left(told: Told, hook: Webhook) -> None:
    register_worker(told.run, told.study_id, WorkerIdentity("w1", "gpu7", 1, "space", "start", "cpu"))
    told.look(hook.address)
    end_worker(told.run, "w1", "told by SIGTERM")
    told.look(hook.address)
    assert hook.titles == []
    for _ in range(2):
        told.look(hook.address, is_last=True)
    assert hook.titles == ["nobody works on s"]
    told.run(
        "UPDATE hpotool.workers SET ended_at = NULL, end_reason = NULL,"
        " last_beat = clock_timestamp() - interval '1 minute'",
        {},
    )
    told.look(hook.address)
    assert hook.titles == ["nobody works on s"] * 2
    assert hook.texts[1].startswith("the last worker fell silent")


def test_a_new_best_is_told_at_most_once_an_hour(told: Told, hook: Webhook) -> None:
    def finish(value: float, violation: float = -1.0) -> None:
        trial = told.study.ask()
        trial.set_constraint("memory", violation)
        told.study.tell(trial, value)

    finish(3.0)
    told.look(hook.address)
    assert hook.titles == []  # the study has not run for an hour
    told.run("UPDATE hpotool.study_settings SET first_claim_at = clock_timestamp() - interval '2 hours'", {})
    finish(0.5, violation=2.0)
    told.look(hook.address)
    finish(2.0)
    told.look(hook.address)
    assert hook.texts == ["the best is trial 0: loss 3\nhpotool show --study s 0"]
    told.run("UPDATE hpotool.notices SET noticed_at = noticed_at - interval '1 hour'", {})
    finish(1.0)
    for _ in range(2):
        told.look(hook.address)
    assert hook.texts[1:] == ["the best is trial 3: loss 1\nhpotool show --study s 3"]


def test_a_replicate_or_a_final_training_is_no_new_best(told: Told, hook: Webhook) -> None:
    told.study.tell(told.study.ask(), 3.0)
    told.run("UPDATE hpotool.study_settings SET first_claim_at = clock_timestamp() - interval '2 hours'", {})
    for phase in ("confirm", "final"):
        trial = told.study.ask()
        mark = Reevaluation(phase, "trial 0", 0).to_attribute()  # type: ignore[arg-type]
        told.study._storage.set_trial_system_attr(trial._trial_id, PHASE_ATTRIBUTE, mark)
        told.study.tell(trial, 0.1)
    told.look(hook.address)
    assert hook.texts == ["the best is trial 0: loss 3\nhpotool show --study s 0"]


def test_a_confirmation_is_told_once_it_is_measured(told: Told, hook: Webhook) -> None:
    order = Order((Point("trial 1", {"x": 0.5}), Point("trial 2", {"x": 0.6})), 2)
    order_confirmation(told.run, told.study_id, "ann", order.including)
    told.look(hook.address)
    assert hook.titles == []
    worker = WorkerIdentity("w1", "gpu7", 1, "space", "start", "cpu")
    register_worker(told.run, told.study_id, worker)
    for value in (1.0, 3.0, 1.1, 3.1):
        attempt = claim_trial(told.run, told.study_id, worker, new_attempt_id())
        assert isinstance(attempt, Attempt)
        finish_attempt(told.run, attempt, "w1", TrialState.COMPLETE, [value], Ending(Outcome.COMPLETE))
    for _ in range(2):
        told.look(hook.address)
    assert hook.titles == ["the best of s is confirmed"]
    assert hook.texts[0].startswith("trial 1 is best with probability")


def test_a_study_says_what_is_told(told: Told, hook: Webhook) -> None:
    create_or_resume(told.connection, read_study_file(STUDY.replace("{best_every: 1h}", "[done]")), "ann")
    set_state(told.run, told.study_id, "stopped", "enough", "ann")
    told.look(hook.address)
    assert hook.titles == []
    set_state(told.run, told.study_id, "done", "budget.wall: 1h", "ann")
    told.look(hook.address)
    assert hook.titles == ["s is done"]


def test_a_target_that_is_down_is_tried_again_and_the_other_hears_it_once(told: Told, hook: Webhook) -> None:
    with mail_server() as mail:
        hook.is_down = True
        set_state(told.run, told.study_id, "stopped", "enough", "ann")
        for _ in range(3):
            told.look(mail.address, hook.address)
            told.due_now()
        assert (mail.subjects, hook.titles, hook.refused) == (["s was stopped"], [], 3)
        [notice] = list_notices(told.run, told.study_id)
        assert (notice.sent_at, notice.tries) == (None, 3)
        assert notice.trouble == "json://127.0.0.1 did not accept it"
        hook.is_down = False
        told.look(mail.address, hook.address)
        told.due_now()
        told.look(mail.address, hook.address)
        assert (mail.subjects, hook.titles) == (["s was stopped"], ["s was stopped"])
        assert mail.texts == ["enough (by ann)"]
    [notice] = list_notices(told.run, told.study_id)
    assert notice.sent_at is not None


def test_it_waits_longer_each_time(told: Told, hook: Webhook) -> None:
    hook.is_down = True
    set_state(told.run, told.study_id, "stopped", "enough", "ann")
    waits = []
    for _ in range(12):
        told.look(hook.address)
        [(wait,)] = told.run(
            "SELECT extract(epoch FROM try_after - clock_timestamp())::float8 FROM hpotool.notices", {}
        )
        waits.append(wait)
        told.due_now()
    assert all(0 < wait <= 3600 for wait in waits)
    assert 5 < waits[0] <= 10
    assert waits[11] > 3000


def test_no_address_is_ever_stored(told: Told, hook: Webhook) -> None:
    hook.is_down = True
    set_state(told.run, told.study_id, "stopped", "enough", "ann")
    told.look(hook.address, "slack://tokenaaaa1/tokenbbbb2/tokencccc3")
    stored = str(told.run("SELECT row_to_json(n)::text FROM hpotool.notices n", {}))
    stored += str(told.run("SELECT row_to_json(j)::text FROM hpotool.side_jobs j", {}))
    assert "secret-token" not in stored
    assert "tokenaaaa1" not in stored
    assert "json://127.0.0.1, slack://… did not accept it" in stored


def test_eight_that_send_at_the_same_time_send_each_notice_once(
    study_database_url: str, told: Told, hook: Webhook
) -> None:
    for number in range(20):
        assert tell(told.run, told.job, "failures", str(number), f"title {number}", "body")
        assert not tell(told.run, told.job, "failures", str(number), "again", "body")
    begin = threading.Barrier(8)

    def send() -> None:
        own = Connection(DatabaseUrl.parse(study_database_url))
        notifier = Notifier(own.run, told.job, Sender([hook.address]), GRACE, threading.Event())
        begin.wait()
        notifier.watch("sent")
        own.close()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(hook.titles) == {f"title {number}": 1 for number in range(20)}


def test_who_lost_the_job_enters_nothing(told: Told) -> None:
    other = Job(told.study_id, JOB_NAME, "another")
    told.run("UPDATE hpotool.side_jobs SET holder = 'another'", {})
    assert not tell(told.run, told.job, "best", "1", "title", "body")
    assert tell(told.run, other, "best", "1", "title", "body")


def test_a_claim_is_for_a_while_and_is_settled_by_its_holder(told: Told) -> None:
    tell(told.run, told.job, "best", "1", "title", "body")
    first = claim_notice(told.run, told.job, LONG)
    assert first is not None
    assert claim_notice(told.run, told.job, LONG) is None
    told.due_now()  # its holder was killed, and its time is over
    other = Job(told.study_id, JOB_NAME, "another")
    second = claim_notice(told.run, other, LONG)
    assert second is not None
    assert (second.notice_id, second.tries, second.salt) == (first.notice_id, 2, first.salt)
    settle_notice(told.run, told.job, first, ["x"], is_sent=True)  # it wakes up, too late
    assert list_notices(told.run, told.study_id)[0].sent_at is None
    settle_notice(told.run, other, second, ["x"], is_sent=True)
    assert list_notices(told.run, told.study_id)[0].sent_at is not None


def test_a_study_of_plain_optuna_can_be_told_about(study_database_url: str, hook: Webhook) -> None:
    connection = Connection(DatabaseUrl.parse(study_database_url))
    study: Any = optuna.create_study(
        study_name="plain", directions=["minimize", "maximize"], storage=open_storage(study_database_url)
    )
    adopt_study(connection.run, study._study_id)
    job = Job(study._study_id, JOB_NAME, "me")
    take_job(connection.run, job, LONG)
    set_state(connection.run, study._study_id, "stopped", "enough", "ann")
    Notifier(connection.run, job, Sender([hook.address]), GRACE, threading.Event()).watch("sent")
    assert hook.titles == ["plain was stopped"]
    connection.close()


def watch(told: Told, hook: Webhook, until: Until, leaving: threading.Event, is_lost: bool = False) -> None:
    Notifier(told.run, told.job, Sender([hook.address]), GRACE, leaving, lambda: is_lost, look_every_s=0.01).watch(
        until
    )


def test_it_leaves_when_the_study_is_over_and_everything_was_sent(told: Told, hook: Webhook) -> None:
    set_state(told.run, told.study_id, "done", "budget.wall: 1h", "ann")
    watch(told, hook, "over", threading.Event())
    assert hook.titles == ["s is done"]


def test_it_stays_while_a_target_is_down_and_looks_once_more_when_told_to_leave(told: Told, hook: Webhook) -> None:
    hook.is_down = True
    leaving = threading.Event()
    set_state(told.run, told.study_id, "done", "budget.wall: 1h", "ann")
    thread = threading.Thread(target=watch, args=(told, hook, "over", leaving))
    thread.start()
    wait_until(lambda: hook.refused, "it has tried")
    hook.is_down = False
    told.due_now()
    wait_until(lambda: hook.titles, "it has tried again")
    thread.join()
    set_state(told.run, told.study_id, "running", "", "ann")
    set_state(told.run, told.study_id, "stopped", "enough", "ann")
    leaving.set()
    watch(told, hook, "told", leaving)
    assert hook.titles == ["s is done", "s was stopped"]


def test_who_lost_the_job_or_whose_study_is_gone_leaves_at_once(told: Told, hook: Webhook) -> None:
    set_state(told.run, told.study_id, "stopped", "enough", "ann")
    watch(told, hook, "told", threading.Event(), is_lost=True)
    assert hook.titles == []
    delete_study(told.connection, told.study_id)
    watch(told, hook, "told", threading.Event())
    assert hook.titles == []
