"""``hpotool launch slurm`` on a real Slurm: a time limit, a preemption, a lost node, a cancelled array."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hpotool.server import EmbeddedPostgres
from hpotool.server.network import own_address
from tests.acceptance.command_line import CommandLine, wait_until
from tests.capabilities import may
from tests.launched import rows_of
from tests.slurm import KILL_WAIT_S, Slurm, slurm

ADDRESS = own_address()
pytestmark = [
    pytest.mark.skipif(not may("mknod", "sys_admin"), reason="this account may not run Slurm's daemons"),
    pytest.mark.skipif(ADDRESS == "127.0.0.1", reason="this machine has no address but loopback"),
    pytest.mark.xdist_group("slurm"),
    pytest.mark.timeout(1800),  # beside other work
]
# Slurm looks at time limits every half minute, frees a preempted job after as long, and holds a requeued job for
# two minutes if it refuses to start it earlier.
PATIENCE_S = 300.0
TRIALS = 8
STUDY = f"""
study: long
objective: {{python: "held:objective"}}
metrics: {{loss: minimize}}
search_space: {{x: {{float: [-1.0, 1.0]}}}}
budget: {{trials: {TRIALS}}}
retry: {{lost: 5}}
"""
# Goes on when the test says so. Told to stop, it takes a second to save how often it was told.
OBJECTIVE = """
import time
from pathlib import Path
import hpotool

def objective(trial):
    latest = hpotool.latest_checkpoint()
    told = int((latest / "told").read_text()) if latest else 0
    while Path("{hold}").exists():
        if trial.should_stop():
            time.sleep(1)
            with hpotool.save_checkpoint(told + 1) as folder:
                (folder / "told").write_text(str(told + 1))
            return None
        time.sleep(0.05)
    Path(f"{hold}-told-{{trial.number}}").write_text(str(told))
    return trial.params["x"] ** 2
"""


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with slurm(tmp_path_factory.mktemp("slurm")) as found:
        yield found


@pytest.fixture
def hpotool(cluster: Slurm, hpotool_home: Path) -> Iterator[CommandLine]:
    (cluster.folder / "hold").touch()
    code = cluster.folder / "code"
    code.mkdir()
    (code / "held.py").write_text(OBJECTIVE.format(hold=cluster.folder / "hold"))
    (code / "study.yaml").write_text(STUDY)
    environment = {
        "HPOTOOL_HOME": str(hpotool_home),
        "HPOTOOL_HEARTBEAT_INTERVAL_S": "0.5",
        "HPOTOOL_GRACE_PERIOD_S": "3",
    }
    command_line = CommandLine(None, code, environment | cluster.environment)
    try:
        command_line.run("db", "up", "--listen", ADDRESS, "--allow", f"{ADDRESS}/32")
        command_line.run("create-study", "study.yaml")
        yield command_line
    finally:
        EmbeddedPostgres(hpotool_home).destroy()


def launch_words(cluster: Slurm, *more: str) -> list[str]:
    # The fake GPU that Slurm hands out is none for the worker.
    words = [
        "launch",
        "slurm",
        "long",
        "--workers",
        "3",
        "--gpus",
        "1",
        "--worker-options=--gpu none",
        "--time",
        "60",
    ]
    folders = ["--folder", str(cluster.folder / "launches"), "--checkpoints", str(cluster.folder / "checkpoints")]
    return [*words, *folders, *more]


def wait_for(
    hpotool: CommandLine, what: str, found: Callable[[list[dict[str, Any]]], bool]
) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []

    def look() -> list[dict[str, Any]] | None:
        shown[:] = rows_of(hpotool, "long")
        return list(shown) if found(shown) else None

    try:
        return list(wait_until(look, what, PATIENCE_S))
    except AssertionError as error:
        raise AssertionError(f"{error}: {shown}") from None


def wait_until_back(cluster: Slurm, hpotool: CommandLine, job: str, what: str) -> None:
    """Wait until the requeued job's worker is back, without the two minutes for which Slurm holds such a job.

    They begin once Slurm has cleaned up after the job, so a single request may come too early. And a job must not
    start in the second in which it was queued again: Slurm takes its credential for the revoked one, and gives up.
    """

    def is_back(rows: list[dict[str, Any]]) -> bool:
        if _state_of(rows, job) == "pending":
            # Refused if it has started since.
            cluster.run("scontrol", "update", f"JobId={job}", "StartTime=now+2", is_refusal_fine=True)
            time.sleep(4)
        return counts(rows) == {"alive": 3}

    wait_for(hpotool, what, is_back)


def counts(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(row["state"] for row in rows)


def test_what_slurm_does_to_its_jobs_costs_no_trial(cluster: Slurm, hpotool: CommandLine) -> None:
    refused = hpotool.run(*launch_words(cluster), code=2)
    assert "is not shared: every node has a /" in refused.stderr
    refused = hpotool.run(*launch_words(cluster, "--one-machine", "--time", "4"), code=2)
    assert "--time 4 is 4 min:" in refused.stderr
    plan = hpotool.run(*launch_words(cluster, "--one-machine", "--dry-run")).stdout
    assert f"--grace {KILL_WAIT_S - 10}s" in plan, "what KillWait leaves"
    assert cluster.queue() == {}

    hpotool.run(*launch_words(cluster, "--one-machine"))
    wait_for(hpotool, "three work", lambda rows: counts(rows)["alive"] == 3)
    assert counts(hpotool.json("workers", "long")["workers"]) == {"alive": 3}
    record = cluster.run("scontrol", "show", "job", "--details")
    password = hpotool.run("db", "url").stdout.split(":")[2].partition("@")[0]
    assert password not in record
    assert password not in (script := hpotool.run(*launch_words(cluster, "--one-machine", "--dry-run")).stdout), (
        script
    )

    hpotool.run("workers", "long", "--scale", "4")
    wait_for(
        hpotool,
        "a fourth waits, and why",  # Slurm gives the reason once it has looked at the job
        lambda rows: counts(rows) == {"alive": 3, "pending": 1} and rows[-1]["why"] in ("Resources", "Priority"),
    )
    hpotool.run("workers", "long", "--scale", "3")
    rows = wait_for(hpotool, "who waits leaves first", lambda rows: counts(rows) == {"alive": 3})

    cluster.run("scancel", next(row["job"] for row in rows if row["host"] == "n1"))
    wait_for(hpotool, "the cancelled one has left", lambda rows: counts(rows) == {"alive": 2})
    hpotool.run("workers", "long", "--scale", "3")
    rows = wait_for(hpotool, "another one took its place", lambda rows: counts(rows) == {"alive": 3})
    first, second, third = (next(row["job"] for row in rows if row["host"] == node) for node in ("n1", "n2", "n3"))

    cluster.run("scontrol", "update", f"JobId={first}", "TimeLimit=2")
    wait_for(
        hpotool,
        "the time limit ended one, which waits for its time",
        lambda rows: (
            _state_of(rows, first) == "pending"
            and next(row["why"] for row in rows if row["job"] == first) == "BeginTime"
        ),
    )
    cluster.run("scontrol", "update", f"JobId={first}", "TimeLimit=60")
    wait_until_back(cluster, hpotool, first, "it was queued again, and works")

    urgent = [
        "sbatch",
        "--parsable",
        "--partition=high",
        "--nodelist=n2",
        "--wrap=sleep 600",
        "--output=/dev/null",
    ]
    urgent_id = cluster.run(*urgent).strip()
    wait_for(hpotool, "an urgent job took a node", lambda rows: _state_of(rows, second) == "pending")
    cluster.run("scancel", urgent_id)
    wait_until(lambda: cluster.queue().get(second) == "PENDING", "the urgent job is gone", PATIENCE_S)
    wait_until_back(cluster, hpotool, second, "it works again")

    cluster.lose_node("n3")
    wait_until(lambda: cluster.queue().get(third) == "PENDING", "Slurm gave the lost node's job up", PATIENCE_S)
    wait_for(
        hpotool,
        "its worker lives on, and the table says what Slurm says of its job",
        lambda rows: counts(rows) == {"alive": 3} and any(row["job"] == third and row["why"] for row in rows),
    )

    (cluster.folder / "hold").unlink()
    wait_until(lambda: hpotool.json("status", "long")["state"] == "done", "the study is done", PATIENCE_S)
    status = hpotool.json("status", "long")
    assert status["trials"]["COMPLETE"] == TRIALS
    assert not {"RUNNING", "WAITING"} & set(status["trials"])
    told = [int(file.read_text()) for file in cluster.folder.glob("hold-told-*")]
    assert sum(told) == 3, (
        "cancelled, at the time limit, preempted: each had its checkpoint, and others went on from it"
    )
    failures = {failure["outcome"]: failure["count"] for failure in status["failures"]}
    assert failures == {"preempted": 3}, "and no trial was lost"

    hpotool.run("workers", "long", "--stop")
    wait_until(lambda: cluster.queue() == {}, "nothing is left in the queue", PATIENCE_S)


def _state_of(rows: list[dict[str, Any]], job: str) -> str:
    return str(next((row["state"] for row in rows if row["job"] == job), ""))
