"""The Postgres that tests use: one server per run, one fresh database per test.

The first process of a run that needs it starts it, under a file lock. Everything lies in the run's folder, and
``tests/watchdog.py`` stops what runs there and removes it when the process that pytest was started as has
ended, in whatever way.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import psycopg2

from hpotool.server.account import make_reachable, server_account
from hpotool.server.binaries import Binaries, find_binaries
from hpotool.server.cluster import Cluster, ServerFailedError

USER = "tester"
PASSWORD = "no-secret"
OPTUNA_TEMPLATE = "template_optuna"
RUN_FOLDER = "HPOTOOL_TEST_RUN_FOLDER"

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": 200,
    "shared_buffers": "64MB",
    # Safe against a killed server, not against a power cut. synchronous_commit stays on: without it kill -9 loses
    # what was committed.
    "fsync": "off",
    "full_page_writes": "off",
    "log_line_prefix": "%m [%p] %d ",
}


@dataclass(frozen=True)
class TestServer:
    """A Postgres on loopback that a test may talk to, and, when it is the test's own, stop and kill."""

    __test__ = False
    cluster: Cluster
    binaries: Binaries
    port: int

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def run(self, *statements: str) -> None:
        """Run statements outside of any transaction, as the superuser."""
        connection = psycopg2.connect(self.url("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    @contextlib.contextmanager
    def database(self, name: str, template: str = "template1") -> Iterator[str]:
        """The URL of a database that is gone afterwards, whoever is still connected."""
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield self.url(name)
        finally:
            # A test that killed its server leaves nothing to drop; a hung client must not keep it.
            with contextlib.suppress(psycopg2.OperationalError):
                self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def start(self) -> None:
        self.cluster.start(self.binaries)

    def stop(self) -> None:
        """Stop it as an administrator would: connections are cut, nothing is lost."""
        self.cluster.stop()

    def kill(self) -> None:
        """Kill it as a crash would."""
        self.cluster.stop(signal.SIGKILL)


def wanted_version() -> int | None:
    """The major version to test on (HPOTOOL_TEST_POSTGRES=16), or None for the one hpotool itself would take."""
    wanted = os.environ.get("HPOTOOL_TEST_POSTGRES")
    return int(wanted) if wanted else None


def open_run_folder() -> IO[str]:
    """Make the run's folder and start its watchdog; the run lasts as long as the returned file stays open."""
    folder = Path(tempfile.mkdtemp(prefix="hpotool-tests-", dir=_memory_disk()))
    folder.chmod(0o711)  # for Postgres, which runs as another user when root tests
    os.environ[RUN_FOLDER] = str(folder)  # what xdist's workers inherit
    alive = (folder / "alive").open("w")
    fcntl.flock(alive, fcntl.LOCK_EX)
    subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("watchdog.py")), str(folder)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    return alive


def _memory_disk() -> str | None:
    """/dev/shm where it is large enough and programs may run from it: fsync costs nothing there."""
    shared_memory = Path("/dev/shm")
    if not os.access(shared_memory, os.W_OK):
        return None
    status = os.statvfs(shared_memory)
    is_large = status.f_bavail * status.f_frsize > 2 * 1024**3
    return str(shared_memory) if is_large and not status.f_flag & os.ST_NOEXEC else None


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run's lock: among the processes of one run, one at a time."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def shared_server() -> TestServer:
    """The run's server, started by whoever comes first."""
    with locked(run_folder()):
        cluster = _cluster(run_folder() / "server")
        port_file = run_folder() / "port"
        if port_file.exists():
            return TestServer(cluster, _binaries(), int(port_file.read_text()))
        _create(cluster)
        server = _start_on_free_port(cluster)
        port_file.write_text(str(server.port))
        return server


def private_server() -> TestServer:
    """A server of the test's own; the test stops it."""
    with locked(run_folder()):
        cluster = _cluster(open_folder("private"))
        _create(cluster)
    return _start_on_free_port(cluster)


def open_folder(name: str) -> Path:
    """A fresh folder in the run's folder that every account can pass through."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=run_folder()))
    folder.chmod(0o755)
    return folder


def run_folder() -> Path:
    return Path(os.environ[RUN_FOLDER])


def ensure_template(server: TestServer, name: str, install: Callable[[str], None]) -> None:
    """Have a template database ``name`` that ``install(url)`` filled, once per run."""
    ready = run_folder() / f"template-{name}"
    with locked(run_folder()):
        if not ready.exists():
            server.run(f'DROP DATABASE IF EXISTS "{name}"', f'CREATE DATABASE "{name}"')
            install(server.url(name))
            ready.touch()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _cluster(folder: Path) -> Cluster:
    account = server_account()
    folder.mkdir(mode=0o755, exist_ok=True)
    account.own(folder)
    return Cluster(folder / "data", folder / "log", account)


def _binaries() -> Binaries:
    return make_reachable(find_binaries(wanted_version()), server_account(), run_folder())


def _create(cluster: Cluster) -> None:
    """Create the data directory as a copy of the run's first one: 0.1 s where initdb takes 1 s."""
    original = replace(cluster, data=run_folder() / "initialised" / "data")
    if not original.data.exists():
        original.data.parent.mkdir(mode=0o755, exist_ok=True)
        cluster.account.own(original.data.parent)
        original.initialise(_binaries(), USER, PASSWORD)
    subprocess.run(["cp", "-a", original.data, cluster.data], check=True)


def _start_on_free_port(cluster: Cluster) -> TestServer:
    for _ in range(5):  # somebody else may take the port between looking and starting
        port = free_port()
        cluster.configure(_SETTINGS | {"port": port, "unix_socket_directories": ""})
        try:
            cluster.start(_binaries())
        except ServerFailedError as error:
            if "in use" not in error.output:
                raise
        else:
            return TestServer(cluster, _binaries(), port)
    raise RuntimeError("no free port for the test server")
