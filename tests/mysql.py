"""A MariaDB of a test's own, in an empty folder and on a free port: what a study of MySQL is imported from."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest
from sqlalchemy.engine import URL

from hpotool.server.account import Account, server_account

_PASSWORD = "p:w@1/%"
_SETUP = (
    "CREATE DATABASE optuna CHARACTER SET utf8mb4",
    f"CREATE USER 'reader'@'%' IDENTIFIED BY '{_PASSWORD}'",
    "GRANT ALL ON optuna.* TO 'reader'@'%'",
)


@contextmanager
def mariadb() -> Iterator[str]:
    """The URL of an empty database, as its user would write it."""
    account = server_account()
    folder = Path(tempfile.mkdtemp(prefix="hpotool-mariadb-"))
    account.own(folder)  # it refuses root
    data, port = folder / "data", _free_port()
    install = [
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={data}",
        "--auth-root-authentication-method=normal",
    ]
    _run([*install, "--skip-test-db"], account)
    serve = ["mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={folder}/socket", f"--port={port}"]
    serve += ["--bind-address=127.0.0.1", "--skip-name-resolve", f"--pid-file={folder}/pid"]
    serve += ["--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite"]  # it need not outlive the machine
    server = subprocess.Popen(
        [_program(serve[0]), *serve[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **account.popen_arguments(),
    )
    try:
        _set_up(port, server)
        yield URL.create("mysql", "reader", _PASSWORD, "127.0.0.1", port, "optuna").render_as_string(False)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _run(words: list[str], account: Account) -> None:
    subprocess.run(
        [_program(words[0]), *words[1:]], capture_output=True, check=True, timeout=120, **account.popen_arguments()
    )


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        pytest.fail(
            f"this test needs {name}: apt-get install mariadb-server-core mariadb-client-core "
            "(make test does so for root on Debian)"
        )
    return found


def _set_up(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = pymysql.connect(host="127.0.0.1", port=port, user="root", charset="utf8mb4")
            break
        except pymysql.OperationalError:
            assert server.poll() is None, "MariaDB has ended"
            assert time.monotonic() < deadline, "MariaDB does not answer"
            time.sleep(0.05)
    with connection, connection.cursor() as cursor:
        for statement in _SETUP:
            cursor.execute(statement)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
