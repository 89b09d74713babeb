"""A real Slurm on this machine: munged, slurmctld, and three slurmd with a fake GPU each."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.postgres import free_port

NODES = ("n1", "n2", "n3")
KILL_WAIT_S = 40
PATIENCE_S = 180.0
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
_CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
GresTypes=gpu
ReturnToService=2
KillWait={kill_wait}
SlurmdTimeout=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=bf_interval=1,sched_min_interval=100000,batch_sched_delay=1
{nodes}
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE MaxTime=INFINITE
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF
"""


@dataclass(frozen=True)
class Slurm:
    """The cluster, as its own programs see it with ``SLURM_CONF``."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def run(self, *words: str, is_refusal_fine: bool = False) -> str:
        done = subprocess.run(words, capture_output=True, text=True, env=os.environ | self.environment, timeout=60)
        assert done.returncode == 0 or is_refusal_fine, f"{words}: {done.stderr}"
        return done.stdout

    def queue(self) -> dict[str, str]:
        """The tasks that have not ended, with their state."""
        lines = self.run("squeue", "--noheader", "--array", "--format=%i|%T").split()
        return dict(line.split("|", 1) for line in lines)

    def lose_node(self, node: str) -> None:
        """Kill the node's daemons as a crash of its kernel would, and leave what they had started."""
        pids = [int((self.folder / f"slurmd-{node}.pid").read_text())]
        pids += [
            pid for pid, words in _processes() if words.startswith("slurmstepd") and f"spool-{node}" in _open(pid)
        ]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[Slurm]:
    """The cluster, gone at the end of the block with all that it has started."""
    found = Slurm(folder)
    _write(folder)
    environment = os.environ | found.environment
    daemons = [
        subprocess.Popen([_program("munged"), "--foreground", *_munge_words(folder)], stderr=subprocess.DEVNULL)
    ]
    try:
        _wait(lambda: (folder / "munge.socket").exists(), "munged is up")
        for words in ([_program("slurmctld"), "-D"], *([_program("slurmd"), "-D", "-N", node] for node in NODES)):
            log = (folder / f"{len(daemons)}.out").open("w")
            daemons.append(subprocess.Popen(words, env=environment, stdout=log, stderr=log))
        _wait(lambda: _idle(found) == len(NODES), "three nodes are idle")
        yield found
    finally:
        for daemon in reversed(daemons):
            daemon.kill()
            daemon.wait()
        _kill_the_rest(folder)


def _write(folder: Path) -> None:
    (folder / "state").mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    nodes, devices = [], []
    for number, node in enumerate(NODES):
        (folder / f"spool-{node}").mkdir()
        device = folder / f"gpu{number}"
        os.mknod(device, 0o666 | 0o020000, os.makedev(1, 3))
        nodes.append(
            f"NodeName={node} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={free_port()} CPUs=1 "
            "RealMemory=1000 Gres=gpu:1"
        )
        devices.append(f"NodeName={node} Name=gpu File={device}")
    config = _CONFIG.format(
        host=socket.gethostname(), port=free_port(), folder=folder, kill_wait=KILL_WAIT_S, nodes="\n".join(nodes)
    )
    (folder / "slurm.conf").write_text(config)
    (folder / "gres.conf").write_text("\n".join(devices) + "\n")


def _munge_words(folder: Path) -> list[str]:
    named = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid", "log-file": "munge.log"}
    return [
        "--force",
        *(f"--{name}={folder / file}" for name, file in named.items()),
        f"--seed-file={folder / 'seed'}",
    ]


def _idle(found: Slurm) -> int:
    with contextlib.suppress(AssertionError):
        return found.run("sinfo", "--noheader", "--Node", "--partition=low", "--format=%T").split().count("idle")
    return 0


def _program(name: str) -> str:
    path = shutil.which(name, path=_PATH)
    assert path is not None, f"{name} is not here: .ci/install-test-programs installs it"
    return path


def _processes() -> Iterator[tuple[int, str]]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield int(path.parent.name), path.read_bytes().replace(b"\0", b" ").decode(errors="replace")


def _open(pid: int) -> str:
    """What the process has open, and where it is."""
    found = []
    for link in [Path(f"/proc/{pid}/cwd"), *Path(f"/proc/{pid}/fd").glob("*")]:
        with contextlib.suppress(OSError):
            found.append(str(link.readlink()))
    return "\n".join(found)


def _kill_the_rest(folder: Path) -> None:
    for pid, words in list(_processes()):
        with contextlib.suppress(OSError):
            surroundings = Path(f"/proc/{pid}/environ").read_bytes()
            if str(folder).encode() in surroundings or (
                words.startswith("slurmstepd") and str(folder) in _open(pid)
            ):
                os.kill(pid, signal.SIGKILL)


def _wait(condition: object, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)
