"""``hpotool launch ssh`` on three hosts with a real sshd each; one is cut off, one restarted."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hpotool.server import EmbeddedPostgres
from tests.acceptance.command_line import CommandLine, wait_until
from tests.capabilities import may
from tests.hosts import Host, Hosts, hosts
from tests.launched import rows_of

pytestmark = [
    pytest.mark.skipif(not may("net_admin", "sys_admin"), reason="this account may make no network namespaces"),
    pytest.mark.xdist_group("hosts"),
    pytest.mark.timeout(900),  # beside other work; nothing in it waits for a clock
]
TRIALS = 14
STUDY = f"""
study: held
objective: {{python: "held:objective"}}
metrics: {{loss: minimize}}
search_space: {{x: {{float: [-1.0, 1.0]}}}}
budget: {{trials: {TRIALS}}}
retry: {{lost: 5}}
"""
# Goes on when the test says so.
OBJECTIVE = """
import time
from pathlib import Path

def objective(trial):
    while Path("{hold}").exists():
        if trial.should_stop():
            return None
        time.sleep(0.05)
    return trial.params["x"] ** 2
"""


@pytest.fixture
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    folder = tmp_path_factory.mktemp("hosts")
    with hosts(folder) as found:
        yield found


@pytest.fixture
def hpotool(fleet: Hosts, hpotool_home: Path) -> Iterator[CommandLine]:
    """Where the launches come from: a folder of code, and an embedded Postgres that the hosts may reach."""
    (fleet.folder / "hold").touch()
    code = fleet.folder / "code"
    code.mkdir()
    (code / "held.py").write_text(OBJECTIVE.format(hold=fleet.folder / "hold"))
    (code / "study.yaml").write_text(STUDY)
    pulse = {"HPOTOOL_HEARTBEAT_INTERVAL_S": "0.5", "HPOTOOL_GRACE_PERIOD_S": "3"}
    command_line = CommandLine(None, code, {"HPOTOOL_HOME": str(hpotool_home), **pulse})
    try:
        command_line.run("db", "up")
        command_line.run("create-study", "study.yaml")
        yield command_line
    finally:
        EmbeddedPostgres(hpotool_home).destroy()


def launch_words(fleet: Hosts, *more: str) -> list[str]:
    named = [word for host in fleet.each for word in ("--host", host.name)]
    return ["launch", "ssh", "held", *named, "--workers", "6", "--ssh-options", f"-F {fleet.ssh_config}", *more]


def wait_for(hpotool: CommandLine, expected: dict[str, list[str]]) -> list[dict[str, Any]]:
    """The table as soon as each host's workers are in these states."""

    def found() -> list[dict[str, Any]] | None:
        shown = rows_of(hpotool, "held")
        states = {host: sorted(row["state"] for row in shown if row["host"] == host) for host in expected}
        return shown if states == expected else None

    return list(wait_until(found, f"the table shows {expected}"))


def arguments_of_all_processes() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


def test_a_study_completes_on_hosts_that_are_cut_off_and_restarted(fleet: Hosts, hpotool: CommandLine) -> None:
    refused = hpotool.run(*launch_words(fleet), code=4)  # the database listens to this machine only
    assert "hpotool db up --listen" in refused.stderr
    hpotool.run("db", "up", "--listen", fleet.outside, "--allow", fleet.network)
    own = str(fleet.folder / "own")
    refused = hpotool.run(*launch_words(fleet, "--checkpoints", own), code=2)
    assert f"{own} is not shared: gpu2 does not see what gpu1 writes there" in refused.stderr
    refused = hpotool.run(*launch_words(fleet, "--hpotool", "/nowhere/hpotool"), code=2)
    assert "gpu1 has no /nowhere/hpotool that starts" in refused.stderr
    assert "ssh gpu1 python3 -m pip install hpotool==" in refused.stderr
    assert hpotool.json("workers", "held") == {"workers": [], "launches": []}

    assert doctor(fleet, hpotool, str(fleet.folder / "shared")) == {}
    assert doctor(fleet, hpotool, own) == {"checkpoints of hosts": "broken"}

    hpotool.run(*launch_words(fleet, "--checkpoints", str(fleet.folder / "shared")))
    wait_for(hpotool, dict.fromkeys(("gpu1", "gpu2", "gpu3"), ["alive"] * 2))
    assert hpotool.run("workers", "held", "--format", "value").stdout == "6\n"
    check_secrets(fleet, hpotool)

    _, second, third = fleet.each
    second.cut()
    fleet.reboot(third)
    whys = {row["host"]: row["why"] for row in wait_for(hpotool, {"gpu1": ["alive"] * 2, "gpu3": ["gone"] * 2})}
    assert "its process is gone" in whys["gpu3"]
    shown = wait_until(
        lambda: [
            row for row in rows_of(hpotool, "held") if row["host"] == "gpu2" and row["state"] in ("silent", "gone")
        ],
        "those that are cut off are silent",
    )
    assert [row["why"].startswith("ssh: connect to host") for row in shown] == [True] * 2, shown

    hpotool.run("workers", "held", "--scale", "6")
    wait_until(lambda: _count(hpotool, "gpu3") == 3 and _count(hpotool, "gpu1") == 3, "the others have six")
    second.mend()
    wait_until(lambda: _count(hpotool, "gpu2") == 2, "those of the cut host are back")
    hpotool.run("workers", "held", "--scale", "2")
    wait_until(lambda: sum(row["state"] == "alive" for row in rows_of(hpotool, "held")) == 2, "six have left")

    hpotool.run("workers", "held", "--stop")
    wait_until(lambda: all(map(_runs_only_sshd, fleet.each)), "nothing is left on the hosts")
    status = hpotool.json("status", "held")
    assert (status["state"], "RUNNING" in status["trials"]) == ("running", False), "the study stays as it is"
    refused = hpotool.run("workers", "held", "--scale", "2", code=2)
    assert "hpotool launch" in refused.stderr

    (fleet.folder / "hold").unlink()
    hpotool.run(*launch_words(fleet))
    wait_until(lambda: all(map(_runs_only_sshd, fleet.each)), "all have left")
    status = hpotool.json("status", "held")
    assert status["state"] == "done"
    assert status["trials"]["COMPLETE"] == TRIALS
    assert not {"RUNNING", "WAITING"} & set(status["trials"])
    assert {row["state"] for row in hpotool.json("workers", "held", "--left")["workers"]} <= {"left", "gone"}
    events = [event for event in hpotool.json("events", "held", "-n", "900") if event["event"] == "launch"]
    assert "6 workers by ssh" in events[0]["reason"]


def doctor(fleet: Hosts, hpotool: CommandLine, checkpoints: str) -> dict[str, str]:
    """What the doctor finds between the machines."""
    named = [word for host in fleet.each for word in ("--host", host.name)]
    words = ["doctor", "held", *named, "--checkpoints", checkpoints, "--ssh-options", f"-F {fleet.ssh_config}"]
    found = json.loads(hpotool.run(*words, "--format", "json", code=None).stdout)["findings"]
    between = {each["check"]: each["verdict"] for each in found if each["about"] == "between machines"}
    return {check: verdict for check, verdict in between.items() if verdict != "ok"}


def check_secrets(fleet: Hosts, hpotool: CommandLine) -> None:
    """The password is in no argument list, in no plan, and in no file that others may read."""
    password = str(re.search(r":([^:@]+)@", hpotool.run("db", "url").stdout)[1])  # type: ignore[index]
    plan = hpotool.run(*launch_words(fleet, "--dry-run")).stdout
    assert plan.count("hpotool worker --study held") == 3
    assert password not in plan
    assert password not in arguments_of_all_processes()
    files = [path for host in fleet.each for path in host.home.rglob("environment")]
    assert [path.stat().st_mode & 0o077 for path in files] == [0] * 3
    assert not list((fleet.folder / "shared").glob(".ssh-*")), "the mark that the hosts looked for was removed"


def _count(hpotool: CommandLine, host: str) -> int:
    return sum(row["state"] == "alive" and row["host"] == host for row in rows_of(hpotool, "held"))


def _runs_only_sshd(host: Host) -> bool:
    names = set()
    for pid in host.processes():
        with contextlib.suppress(OSError):  # it has just ended
            names.add(Path(f"/proc/{pid}/comm").read_text().strip())
    return names <= {"sshd"}
