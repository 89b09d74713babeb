from __future__ import annotations

import time

import pytest

from hpotool import __version__
from hpotool.doctor.hosts import HOSTS, look_at_hosts
from hpotool.launch.plan import ProgramError, Step
from hpotool.launch.targets.ssh import Connection
from hpotool.storage.database.url import DatabaseUrl

URL = DatabaseUrl.parse("postgresql://me@10.0.0.5:5433/x")


def answers(**of_second: str) -> dict[str, str]:
    well = {"hpotool": f"hpotool {__version__}", "database": "yes", "free": "90000000", "checkpoints": "yes"}
    second = {**well, "name": "b", "clock": f"{time.time():.6f}", **of_second}
    first = {**well, "name": "a", "clock": f"{time.time():.6f}"}
    return {
        name: "".join(f"{key}={value}\n" for key, value in facts.items())
        for name, facts in (("a", first), ("b", second))
    }


def look(said: dict[str, str], url: DatabaseUrl | None = URL) -> dict[str, str]:
    def run(step: Step) -> str:
        answer = said[step.argv[-2]]
        if answer.startswith("ssh:"):
            raise ProgramError(f"{step.why}: {answer}", None, 255)
        return answer

    found = look_at_hosts(["a", "b"], Connection(), url, "hpotool", "/mnt/shared", run)
    return {each.check: each.finding.verdict for each in HOSTS.examine(found) if each.finding.verdict != "ok"}


def test_hosts_that_agree_are_well() -> None:
    assert look(answers()) == {}


@pytest.mark.parametrize(
    ("changes", "check", "verdict"),
    [
        ({"hpotool": "hpotool 0.0.1"}, "versions of hosts", "broken"),
        ({"hpotool": "sh: 1: hpotool: not found"}, "versions of hosts", "broken"),
        ({"clock": f"{time.time() - 3600:.6f}"}, "clocks of hosts", "warning"),
        ({"name": "a"}, "names of hosts", "warning"),
        ({"database": "no"}, "database from hosts", "broken"),
        ({"checkpoints": "no"}, "checkpoints of hosts", "broken"),
        ({"free": "1000"}, "disks of hosts", "warning"),
    ],
)
def test_each_difference_is_found(changes: dict[str, str], check: str, verdict: str) -> None:
    assert look(answers(**changes)) == {check: verdict}


def test_a_host_that_ssh_does_not_reach_is_broken() -> None:
    assert look({**answers(), "b": "ssh: connect to host b port 22: No route to host"}) == {"hosts": "broken"}


def test_a_database_that_is_each_hosts_own_is_broken() -> None:
    assert look(answers(), DatabaseUrl.parse("postgresql://me@127.0.0.1/x")) == {"database from hosts": "broken"}
