"""Two machines, each with its own network and its own disk at one path, on which one file of the data differs."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpotool.errors import EXIT_WRONG_INPUT
from hpotool.server import EmbeddedPostgres
from tests.acceptance.command_line import HPOTOOL, CommandLine, wait_until
from tests.capabilities import may
from tests.hosts import Host, Hosts, hosts

pytestmark = [
    pytest.mark.skipif(not may("net_admin", "sys_admin"), reason="this account may make no network namespaces"),
    pytest.mark.xdist_group("hosts"),
    pytest.mark.timeout(600),
]
OBJECTIVE = """
import time
from pathlib import Path

def train(trial):
    while Path("{hold}").exists():
        time.sleep(0.05)
    return trial.params["x"] + len(Path("{data}/rows.csv").read_text())
"""
STUDY = """
study: churn
objective: {{python: "mine:train"}}
metrics: {{loss: minimize}}
search_space: {{x: {{float: [0, 1]}}}}
sampler: {{seed: 3}}
budget: {{trials: 2}}
data: [{data}]
"""
TOLD = "has another content (rows.csv differs)"


class Machines:
    """Two hosts and the database of both, in a third place."""

    def __init__(self, found: Hosts, home: Path) -> None:
        self.hosts = found
        self.one, self.other = found.each
        self.data, self.hold = found.folder / "own" / "train", found.folder / "hold"
        self.code = found.folder / "code"
        self.code.mkdir()
        (self.code / "mine.py").write_text(OBJECTIVE.format(hold=self.hold, data=self.data))
        (self.code / "study.yaml").write_text(STUDY.format(data=self.data))
        self._here = CommandLine(None, self.code, {"HPOTOOL_HOME": str(home)})
        self._here.run("db", "up", "--listen", found.outside, "--allow", found.network)
        self.url = self._here.run("db", "url").stdout.strip()
        self.here = CommandLine(self.url, self.code, {"HPOTOOL_HOME": str(home)})
        for host, rows in ((self.one, "1,2\n"), (self.other, "9,9\n")):
            done = self.on(
                host,
                f"mkdir {self.data} && cd {self.data} && printf '3,4\n' >more.csv && printf '{rows}' >rows.csv",
            )
            assert done.returncode == 0, done.stderr

    def start(self, host: Host, script: str) -> subprocess.Popen[str]:
        """Run a script on a host by ssh, in the folder of the code."""
        lines = [
            f"export HPOTOOL_STORAGE={shlex.quote(self.url)} PATH={HPOTOOL.parent}:$PATH OMP_NUM_THREADS=1",
            f"cd {self.code}",
            script,
        ]
        process = subprocess.Popen(
            ["ssh", "-F", self.hosts.ssh_config, host.name, "sh -s"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write("\n".join(lines) + "\n")
        process.stdin.close()
        process.stdin = None
        return process

    def on(self, host: Host, script: str) -> subprocess.CompletedProcess[str]:
        process = self.start(host, script)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess([script], process.returncode, out, err)


@pytest.fixture
def machines(tmp_path_factory: pytest.TempPathFactory, hpotool_home: Path) -> Iterator[Machines]:
    with hosts(tmp_path_factory.mktemp("hosts"), 2) as found:
        try:
            yield Machines(found, hpotool_home)
        finally:
            EmbeddedPostgres(hpotool_home).destroy()


def test_a_machine_with_one_other_file_is_told_recorded_and_refused_under_strict(machines: Machines) -> None:
    here, one, other = machines.here, machines.one, machines.other
    made = machines.on(one, "hpotool create-study study.yaml")
    assert made.returncode == 0, made.stderr

    machines.hold.touch()
    workers = {host.name: machines.start(host, "exec hpotool worker churn --gpu none") for host in (one, other)}
    wait_until(lambda: here.json("status", "churn")["trials"].get("RUNNING") == 2, "both work")
    [drift] = here.json("status", "churn")["drift"]
    assert drift["host"] == other.name
    assert TOLD in drift["differs"]
    machines.hold.unlink()
    said = {name: process.communicate(timeout=120)[1] for name, process in workers.items()}
    assert [process.returncode for process in workers.values()] == [0, 0], said
    assert f"differs from the study: {machines.data} {TOLD}" in said[other.name]
    assert "differs" not in said[one.name]

    origins = {tuple(origin["hosts"]): origin for origin in here.json("show", "--lineage")["origins"]}
    assert {hosts: list(origin["differs"]) for hosts, origin in origins.items()} == {
        (one.name,): [],
        (other.name,): [f"data {machines.data}"],
    }
    files = [origins[(host.name,)]["data"][str(machines.data)]["files"] for host in (one, other)]
    assert files[0]["more.csv"] == files[1]["more.csv"]
    assert files[0]["rows.csv"] != files[1]["rows.csv"]
    [event] = [event for event in here.json("events", "churn") if event["event"] == "drift"]
    assert TOLD in event["reason"]

    machines.on(one, "hpotool create-study study.yaml --set strict=true --set budget.trials=3")
    refused = machines.on(other, "hpotool worker churn --gpu none")
    assert refused.returncode == EXIT_WRONG_INPUT
    assert "the study is strict" in refused.stderr
    assert TOLD in refused.stderr
    assert here.json("status", "churn")["budget"]["finished"] == 2, "the refused machine ran nothing"
    taken = machines.on(one, "hpotool worker churn --gpu none")
    assert (taken.returncode, here.json("status", "churn")["budget"]["finished"]) == (0, 3), taken.stderr
