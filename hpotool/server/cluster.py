"""A Postgres data directory and the server on it: create, start, stop. Knows no policy; ``embedded`` has that."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from hpotool.errors import DatabaseUnreachableError
from hpotool.server.account import Account
from hpotool.server.binaries import Binaries
from hpotool.server.foreign import ForeignFolder

# Recovery after a crash reads the whole write-ahead log, a gigabyte at most by default.
_START_TIMEOUT_S = 300
_STOP_TIMEOUT_S = 60
_PID_FILE = "postmaster.pid"


class ServerFailedError(DatabaseUnreachableError):
    """A Postgres program gave up. ``output`` is all that it said."""

    def __init__(self, message: str, hint: str | None, output: str) -> None:
        super().__init__(message, hint)
        self.output = output


@dataclass(frozen=True)
class Cluster:
    """The data directory ``data``, whose server runs as ``account`` and writes ``log``.

    Both lie in a folder that belongs to ``account``: whatever is read or written here by another account, which is
    root, follows no link (see ``foreign``).
    """

    data: Path
    log: Path
    account: Account

    def version(self) -> int | None:
        """The major version of the Postgres that made the data directory; None where there is none."""
        try:
            return int(self._inside.read("PG_VERSION"))
        except FileNotFoundError:
            return None

    def initialise(self, binaries: Binaries, user: str, password: str, pass_fds: Sequence[int] = ()) -> None:
        """Create the data directory, whole or not at all: UTF-8, superuser ``user``, passwords as scram.

        initdb inherits ``pass_fds`` and nothing else.

        Raises:
            ServerFailedError: initdb fails.
        """
        unfinished = self.data.with_name(f"{self.data.name}.unfinished")
        password_file = self.data.with_name(f"{self.data.name}.superuser")
        shutil.rmtree(unfinished, ignore_errors=True)  # of a command that was killed
        try:
            self._around.write(password_file.name, password)
            self._run(
                binaries, "initdb", "-D", str(unfinished), "-U", user, "--pwfile", str(password_file),
                "--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C",
                pass_fds=pass_fds,
            )  # fmt: skip
            self._around.rename(unfinished.name, self.data.name)
        finally:
            self._around.remove(password_file.name)

    def configure(self, settings: Mapping[str, str | int]) -> None:
        """Write ``settings`` as the server's own; they hold from its next start."""
        lines = [f"{name} = '{value}'" for name, value in settings.items()]
        self._write("postgresql.auto.conf", lines)

    def admit(self, rules: Sequence[str]) -> None:
        """Write who may connect, as lines of pg_hba.conf; they hold from the next start or reload."""
        self._write("pg_hba.conf", rules)

    def start(self, binaries: Binaries, pass_fds: Sequence[int] = ()) -> str:
        """Start the server in a session of its own; when it answers, return what it logged meanwhile.

        It inherits ``pass_fds`` and no other file descriptor.

        Raises:
            ServerFailedError: it does not come up; ``output`` is what it logged this time.
        """
        already_logged = self.log_size()
        arguments = ("-D", str(self.data), "-l", str(self.log), "-w", "-t", str(_START_TIMEOUT_S), "start")
        try:
            self._run(binaries, "pg_ctl", *arguments, pass_fds=pass_fds)
        except ServerFailedError as error:
            logged = self._log_after(already_logged)
            raise self._failure("start", logged or error.output) from None
        return self._log_after(already_logged)

    def stop(self, how: signal.Signals = signal.SIGINT) -> bool:
        """Stop the server, if it runs, and return when it is gone: whether it ran.

        SIGINT cuts the connections and loses nothing; SIGQUIT leaves the cleaning up to the next start; SIGKILL
        is a crash. No program of Postgres is needed: a server whose installation was removed can be stopped too.

        Raises:
            DatabaseUnreachableError: it is still there a minute later.
        """
        process_id = self.process_id()
        if process_id is None:
            return False
        try:
            process = psutil.Process(process_id)
            process.send_signal(how)
            process.wait(_STOP_TIMEOUT_S)
        except psutil.NoSuchProcess:
            pass
        except psutil.TimeoutExpired:
            raise DatabaseUnreachableError(
                f"the embedded Postgres (process {process_id}) is still stopping after {_STOP_TIMEOUT_S} s",
                f"its log: {self.log}",
            ) from None
        return True

    def reload(self) -> None:
        """Make the running server read pg_hba.conf again."""
        process_id = self.process_id()
        if process_id is not None:
            psutil.Process(process_id).send_signal(signal.SIGHUP)

    def process_id(self) -> int | None:
        """The running server's process id; a pid file that a crash left behind counts as not running."""
        try:
            process_id = int(self._inside.read(_PID_FILE).split("\n", 1)[0])
            process = psutil.Process(process_id)
            is_postgres = process.status() != psutil.STATUS_ZOMBIE and "postgres" in process.name()
            # The file is the account's own, which must not choose whom root sends a signal.
            if not is_postgres or process.uids().real != self.account.uid:
                return None
            with contextlib.suppress(psutil.AccessDenied):  # root in a container may not look at others' processes
                is_postgres = Path(process.cwd()) == self.data.resolve()
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None
        return process_id if is_postgres else None

    def port(self) -> int | None:
        """The port that the running server listens on; None where none runs."""
        if self.process_id() is None:
            return None
        try:
            return int(self._inside.read(_PID_FILE).split("\n")[3])  # the file's fourth line
        except (FileNotFoundError, ValueError, IndexError):
            return None

    def forget_process(self) -> None:
        """Remove the process id that a server left behind."""
        self._inside.remove(_PID_FILE)

    def log_size(self) -> int:
        """How many bytes the log has; 0 where there is none."""
        return self._around.size(self.log.name)

    def put_log_aside(self) -> None:
        """Keep the log under another name, and begin a new one with the next start."""
        self._around.rename(self.log.name, f"{self.log.name}.1")

    @property
    def _inside(self) -> ForeignFolder:
        return ForeignFolder(self.account, self.data.parent, (self.data.name,))

    @property
    def _around(self) -> ForeignFolder:
        return ForeignFolder(self.account, self.data.parent)

    def _run(self, binaries: Binaries, program: str, *arguments: str, pass_fds: Sequence[int] = ()) -> None:
        try:
            answer = subprocess.run(
                [binaries.program(program), *arguments],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
                timeout=_START_TIMEOUT_S + 30, pass_fds=pass_fds, **self.account.popen_arguments(),
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._failure("start", str(error)) from error
        if answer.returncode != 0:
            raise self._failure(
                "create its files" if program == "initdb" else program, answer.stderr or answer.stdout
            )

    def _failure(self, what: str, output: str) -> ServerFailedError:
        if "No space left on device" in output or "Disk quota exceeded" in output:
            return ServerFailedError(
                f"the embedded Postgres cannot {what}: the disk of {self.data.parent} is full",
                "free some space there, or set HPOTOOL_HOME to a folder on another disk",
                output,
            )
        return ServerFailedError(
            f"the embedded Postgres cannot {what}: {_complaint(output)}", f"its log: {self.log}", output
        )

    def _write(self, name: str, lines: Sequence[str]) -> None:
        self._inside.write(name, "\n".join(["# Written by hpotool.", *lines, ""]))

    def _log_after(self, offset: int) -> str:
        try:
            return self._around.read(self.log.name, offset)
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
