"""A Postgres data directory and the server on it: create, start, stop. Knows no policy; ``embedded`` has that."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hpotool.errors import DatabaseUnreachableError
from hpotool.server.account import Account
from hpotool.server.binaries import Binaries

START_TIMEOUT_S = 60


class ServerDidNotStartError(DatabaseUnreachableError):
    """Postgres started and gave up, or did not come up in time. ``log`` is what it said this time."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True)
class Cluster:
    """The data directory ``data`` with its log beside it, run by ``account`` with ``binaries``."""

    data: Path
    log: Path
    binaries: Binaries
    account: Account

    def initialise(self, user: str, password: str) -> None:
        """Create the data directory: UTF-8, scram passwords for every connection.

        Raises:
            DatabaseUnreachableError: initdb fails; its last line is the message.
        """
        password_file = self.data.with_name(f"{self.data.name}.pw")
        password_file.touch(mode=0o600)
        try:
            password_file.write_text(password)
            self.account.own(password_file)
            answer = self._run(
                "initdb", "-D", str(self.data), "-U", user, "--pwfile", str(password_file),
                "--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C",
            )  # fmt: skip
        finally:
            password_file.unlink()
        if answer.returncode != 0:
            raise DatabaseUnreachableError(f"the embedded Postgres cannot be created: {_complaint(answer.stderr)}")

    def configure(self, settings: Mapping[str, str | int]) -> None:
        """Write ``settings`` as the server's own; they hold from its next start."""
        lines = [f"{name} = '{value}'" for name, value in settings.items()]
        file = self.data / "postgresql.auto.conf"
        file.write_text("\n".join(["# Written by hpotool.", *lines, ""]))
        self.account.own(file)

    def start(self) -> None:
        """Start the server in a session of its own and return when it answers.

        Raises:
            ServerDidNotStartError: it does not come up.
        """
        already_logged = self.log.stat().st_size if self.log.exists() else 0
        answer = self._run(
            "pg_ctl", "-D", str(self.data), "-l", str(self.log), "-w", "-t", str(START_TIMEOUT_S), "start"
        )
        if answer.returncode != 0:
            said = self._log_after(already_logged)
            raise ServerDidNotStartError(
                f"the embedded Postgres does not start: {_complaint(said or answer.stderr)}", said
            )

    def stop(self, mode: str = "fast") -> None:
        """Stop the server and return when it is gone; nothing happens when it does not run.

        Raises:
            DatabaseUnreachableError: it does not stop.
        """
        if self.process_id() is None:
            return
        answer = self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "-t", str(START_TIMEOUT_S), "stop")
        if answer.returncode != 0 and self.process_id() is not None:
            raise DatabaseUnreachableError(f"the embedded Postgres does not stop: {_complaint(answer.stderr)}")

    def reload(self) -> None:
        """Make the running server read its configuration again."""
        self._run("pg_ctl", "-D", str(self.data), "reload")

    def process_id(self) -> int | None:
        """The running server's process id; a pid file that a crash left behind counts as not running."""
        import psutil

        try:
            process_id = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(process_id)
            runs_here = "postgres" in process.name() and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None
        return process_id if runs_here else None

    def kill(self) -> None:
        """Kill the server as a crash would."""
        process_id = self.process_id()
        if process_id is not None:
            import psutil

            process = psutil.Process(process_id)
            process.send_signal(signal.SIGKILL)
            process.wait(START_TIMEOUT_S)

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.binaries.program(program), *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=START_TIMEOUT_S * 2,
            **self.account.popen_arguments(),
        )  # fmt: skip

    def _log_after(self, offset: int) -> str:
        try:
            with self.log.open("rb") as log:
                log.seek(offset)
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""


def _complaint(text: str) -> str:
    """The line that says why, out of what Postgres printed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for marker in ("FATAL:", "PANIC:", "error:", "ERROR:"):
        for line in lines:
            if marker in line:
                return line.partition(marker)[2].strip()
    return lines[-1] if lines else "it says nothing"
