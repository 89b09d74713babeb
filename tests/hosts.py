"""Three hosts on one machine: network namespaces with a bridge between them, each with a real sshd.

A host here has an address and loopback of its own, a host name, a home folder, and a disk of its own at ``own`` in
the folder; the rest of the disk is shared. A reboot is that all its processes are killed and sshd comes up again,
a cut that its cable is pulled out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 90.0
_SSHD_CONFIG = """\
Port 22
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
UsePAM no
StrictModes no
PidFile {folder}/{name}.pid
SetEnv HOME={home}
PermitRootLogin yes
LogLevel ERROR
"""
_CLIENT_CONFIG = """\
Host {names}
    IdentityFile {folder}/key
    IdentitiesOnly yes
    UserKnownHostsFile /dev/null
    StrictHostKeyChecking no
    LogLevel ERROR
"""


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Host:
    """One of them; ``name`` is how ssh is to call it."""

    name: str
    address: str
    namespace: str
    home: Path

    def processes(self) -> list[int]:
        return [int(pid) for pid in run("ip", "netns", "pids", self.namespace).split()]

    def cut(self) -> None:
        """Pull its cable out."""
        run("ip", "link", "set", f"v{self.namespace}", "down")

    def mend(self) -> None:
        run("ip", "link", "set", f"v{self.namespace}", "up")

    def kill(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while pids := self.processes():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert time.monotonic() < deadline
            time.sleep(0.02)


@dataclass(frozen=True)
class Hosts:
    """All of them, and the ssh config that knows them."""

    each: tuple[Host, ...]
    ssh_config: Path
    folder: Path
    net: str

    @property
    def outside(self) -> str:
        """The address of the machine that they are on, as they see it."""
        return f"{self.net}.1"

    @property
    def network(self) -> str:
        return f"{self.net}.0/24"

    def sshd(self, host: Host) -> list[str]:
        """What starts the host's sshd, in a host of its own name."""
        own, sshd = self.folder / "own", shutil.which("sshd", path=_PATH)
        command = (
            f"hostname {host.name} && mount -t tmpfs none {own} && exec {sshd} -f {self.folder / host.name}.conf"
        )
        return ["ip", "netns", "exec", host.namespace, "unshare", "--uts", "--mount", "sh", "-c", command]

    def reboot(self, host: Host) -> None:
        """Kill all that runs there, and have sshd come up again."""
        host.kill()
        run(*self.sshd(host))
        _wait_for_sshd(host)


_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


@contextlib.contextmanager
def hosts(folder: Path, count: int = 3) -> Iterator[Hosts]:
    """The hosts, gone at the end of the block with all that runs on them."""
    Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "own").mkdir()
    for name in ("key", "host_key"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    mark = uuid.uuid4().hex[:5]  # what the last ones had is gone a moment after their end
    bridge, net = f"b{mark}", _free_net()
    each = tuple(
        Host(f"gpu{n}", f"{net}.{n + 1}", f"h{mark}{n}", folder / f"home{n}") for n in range(1, count + 1)
    )
    found = Hosts(each, folder / "ssh_config", folder, net)
    with contextlib.ExitStack() as stack:
        run("ip", "link", "add", bridge, "type", "bridge")
        stack.callback(run, "ip", "link", "del", bridge)
        run("ip", "addr", "add", f"{found.outside}/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
        config = _CLIENT_CONFIG.format(names=" ".join(host.name for host in each), folder=folder)
        for host in each:
            stack.enter_context(_host(found, host, bridge))
            config += f"Host {host.name}\n    HostName {host.address}\n"
        found.ssh_config.write_text(config)
        for host in each:
            _wait_for_sshd(host)
        yield found


def _free_net() -> str:
    """A network that nobody on this machine has, another run of these tests included."""
    taken = run("ip", "-4", "-oneline", "addr")
    for number in range(os.getpid(), os.getpid() + 250):
        net = f"10.213.{number % 250}"
        if f" {net}." not in taken:
            return net
    raise AssertionError("no network is free")


@contextlib.contextmanager
def _host(all_hosts: Hosts, host: Host, bridge: str) -> Iterator[None]:
    host.home.mkdir()
    outside, inside = f"v{host.namespace}", f"i{host.namespace}"
    run("ip", "netns", "add", host.namespace)
    try:
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside)
        run("ip", "link", "set", inside, "netns", host.namespace)
        run("ip", "link", "set", outside, "master", bridge, "up")
        within = ("ip", "netns", "exec", host.namespace, "ip")
        run(*within, "addr", "add", f"{host.address}/24", "dev", inside)
        run(*within, "link", "set", inside, "up")
        run(*within, "link", "set", "lo", "up")
        config = _SSHD_CONFIG.format(folder=all_hosts.folder, name=host.name, home=host.home)
        (all_hosts.folder / f"{host.name}.conf").write_text(config)
        run(*all_hosts.sshd(host))
        yield
    finally:
        host.kill()
        run("ip", "netns", "del", host.namespace)


def _wait_for_sshd(host: Host) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection((host.address, 22), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, f"the sshd of {host.name} does not answer"
            time.sleep(0.05)
        else:
            return
