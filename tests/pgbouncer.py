"""A PgBouncer in transaction mode before a test's Postgres."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from hpotool.server.account import server_account

_CONFIG = """
[databases]
{database} = host={host} port={port} dbname={database} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = {most_clients}
"""


@contextmanager
def pooled(url: str, pool_size: int, most_clients: int = 200) -> Iterator[str]:
    """The URL of the same database through a PgBouncer that opens at most ``pool_size`` connections to it."""
    parsed = make_url(url)
    account = server_account()
    folder = Path(tempfile.mkdtemp(prefix="hpotool-pgbouncer-"))
    listen_port = _free_port()
    config = folder / "pgbouncer.ini"
    config.write_text(
        _CONFIG.format(
            database=parsed.database, host=parsed.host, port=parsed.port, user=parsed.username,
            password=parsed.password, listen_port=listen_port, pool_size=pool_size, most_clients=most_clients,
        )
    )  # fmt: skip
    # PgBouncer refuses root as Postgres does.
    account.own(folder)
    account.own(config)
    process = subprocess.Popen(
        [_program(), "-q", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        **account.popen_arguments(),
    )  # fmt: skip
    there = parsed.set(host="127.0.0.1", port=listen_port).render_as_string(hide_password=False)
    try:
        _wait_until_it_answers(there, process)
        yield there
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _program() -> str:
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if found is None:
        pytest.fail("this test needs PgBouncer: apt-get install pgbouncer (make test does so for root on Debian)")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg2.connect(url).close()
        except psycopg2.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
