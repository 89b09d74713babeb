"""Eight workers, a mail server and a webhook: each event arrives once at both, whatever is killed."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from tests.acceptance.command_line import CommandLine, wait_until
from tests.notice_targets import MailServer, Webhook, mail_server, webhook

OBJECTIVE = """
import time
from pathlib import Path

FOLDER = Path(__file__).parent

def objective(trial):
    x = trial.suggest_float("x", -1.0, 1.0)
    if trial.number < 6:
        raise ValueError("the first ones fail")
    while not (FOLDER / "go").exists():
        if trial.should_stop():
            return None
        time.sleep(0.05)
    return x * x
"""
STUDY = """
study: told
objective: {python: "told_objective:objective"}
metrics: {loss: minimize}
budget: {trials: 24}
notify: [done, stopped, failures, confirmed, drift]
"""
PULSE = {"HPOTOOL_HEARTBEAT_INTERVAL_S": "1", "HPOTOOL_GRACE_PERIOD_S": "6"}
EVENT = """
INSERT INTO hpotool.events (study_id, kind, actor, reason)
SELECT study_id, %s, 'somebody', 'as the test says' FROM hpotool.study_settings
"""


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with mail_server() as mail:
        yield mail


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as hook:
        yield hook


@pytest.fixture
def command_line(study_database_url: str, tmp_path: Path, mail: MailServer, hook: Webhook) -> CommandLine:
    (tmp_path / "told_objective.py").write_text(OBJECTIVE)
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "killed").mkdir()
    addresses = tmp_path / "addresses"
    addresses.write_text(f"# where notices go\n{mail.address}\n{hook.address}\n")
    addresses.chmod(0o600)
    environment = {**PULSE, "PYTHONPATH": str(tmp_path), "HPOTOOL_NOTIFY": str(addresses)}
    return CommandLine(study_database_url, tmp_path, environment)


def notifiers(parent: int) -> list[psutil.Process]:
    found = []
    for process in psutil.Process(parent).children(recursive=True):
        try:
            if "notify" in process.cmdline():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def write_event(url: str, kind: str) -> None:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(EVENT, (kind,))
    connection.close()


@pytest.mark.timeout(600)
def test_eight_workers_tell_each_event_once(
    command_line: CommandLine, study_database_url: str, mail: MailServer, hook: Webhook, tmp_path: Path
) -> None:
    command_line.run("create-study", "study.yaml")
    # The first process that has claimed a notice is killed before it sends it.
    fault = {"HPOTOOL_FAULT": f"notify.claimed:kill:{tmp_path}/killed"}
    workers_line = CommandLine(command_line.url, tmp_path, {**command_line.environment, **fault})
    start = ("worker", "told", "--gpu", "none", "--workers", "8", "--grace", "2s")
    with workers_line.start(*start, log=tmp_path / "log-1") as workers:
        wait_until(lambda: "told keeps failing" in hook.titles, "failures are told", 240)
        assert (tmp_path / "killed" / "fired").exists()
        for process in notifiers(workers.pid):
            process.kill()
        write_event(study_database_url, "drift")
        wait_until(lambda: "code or data of told differ" in mail.subjects, "another one tells", 240)
        hook.is_down = True
        command_line.run("stop", "told")
        wait_until(lambda: workers.poll() is not None, "the workers leave", 240)
    hook.is_down = False
    command_line.run("resume", "told")
    (tmp_path / "go").touch()
    with workers_line.start(*start, log=tmp_path / "log-2") as workers:
        wait_until(lambda: workers.poll() is not None, "the study is done", 240)
    # What was refused is due again a while later; whoever looks then sends it.
    wait_until(
        lambda: command_line.run("notify", "told", "--once") and "told was stopped" in hook.titles, "all told", 240
    )

    once = {
        "told keeps failing": 1, "code or data of told differ": 1,
        "told was stopped": 1, "told is done": 1,
    }  # fmt: skip
    assert Counter(hook.titles) == once
    assert Counter(mail.subjects) == once
    listed = command_line.json("notify", "told", "--list")
    assert {notice["title"] for notice in listed} == set(once)
    assert all(notice["sent"] for notice in listed)
    assert "secret-token" not in (tmp_path / "log-1").read_text() + (tmp_path / "log-2").read_text()


def test_the_last_worker_to_leave_says_that_nobody_works(
    command_line: CommandLine, hook: Webhook, mail: MailServer, tmp_path: Path
) -> None:
    (tmp_path / "study.yaml").write_text(STUDY.replace("[done, stopped, failures, confirmed, drift]", "[idle]"))
    command_line.run("create-study", "study.yaml")
    with command_line.start("worker", "told", "--gpu", "none", "--grace", "1s", log=tmp_path / "log") as worker:
        wait_until(lambda: command_line.json("notify", "told", "--list") == [], "the study is there")
        wait_until(lambda: "doing for all workers: notify" in (tmp_path / "log").read_text(), "it tells people")
        worker.send_signal(signal.SIGTERM)
        wait_until(lambda: worker.poll() is not None, "it leaves")
    assert worker.returncode == 75
    assert (hook.titles, mail.subjects) == (["nobody works on told"], ["nobody works on told"])
    assert "the last worker left: asked to leave: SIGTERM" in hook.texts[0]


def test_the_addresses_are_tried_and_each_answer_is_said(
    command_line: CommandLine, mail: MailServer, hook: Webhook
) -> None:
    hook.is_down = True
    tried = command_line.run("notify", "--test", code=1)
    assert "address 1 (mailto://127.0.0.1) accepted it" in tried.stderr
    assert "address 2 (json://127.0.0.1) did not accept it" in tried.stderr
    hook.is_down = False
    command_line.run("notify", "--test")
    assert (mail.subjects, hook.titles) == (["hpotool can reach you"] * 2, ["hpotool can reach you"])


def test_wrong_addresses_are_said_to_people_and_end_no_worker(command_line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "addresses").chmod(0o644)
    refused = command_line.run("notify", "--test", code=2)
    assert "others can read it" in refused.stderr
    assert f"hint: chmod 600 {tmp_path}/addresses" in refused.stderr
    (tmp_path / "study.yaml").write_text(STUDY.replace("trials: 24", "trials: 1"))
    (tmp_path / "go").touch()
    command_line.run("create-study", "study.yaml")
    done = command_line.run("worker", "told", "--gpu", "none")
    assert "nobody is told anything by this worker" in done.stderr
    assert "the study is done" in done.stderr
    nowhere = CommandLine(command_line.url, tmp_path, PULSE).run("notify", "told", code=2)
    assert "hint: export HPOTOOL_NOTIFY=" in nowhere.stderr
