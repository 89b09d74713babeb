"""A Postgres data directory and its server: create, start, stop. Policy is in ``embedded``."""

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

# Recovery after a crash reads the whole write-ahead log, by default at most a gigabyte.
_START_TIMEOUT_S = 300
_STOP_TIMEOUT_S = 60
_PID_FILE = "postmaster.pid"


class ServerFailedError(DatabaseUnreachableError):
    """A Postgres program failed. ``output`` is its complete output."""

    def __init__(self, message: str, hint: str | None, output: str) -> None:
        super().__init__(message, hint)
        self.output = output


@dataclass(frozen=True)
class Cluster:
    """The data directory ``data``, whose server runs as ``account`` and writes ``log``.

    Both are in a folder owned by ``account``. When another account, namely root, reads or writes there, it follows
    no links (see ``foreign``).
    """

    data: Path
    log: Path
    account: Account

    def version(self) -> int | None:
        """The major version of the Postgres that created the data directory; None if there is none."""
        try:
            return int(self._inside.read("PG_VERSION"))
        except FileNotFoundError:
            return None

    def initialise(self, binaries: Binaries, user: str, password: str, pass_fds: Sequence[int] = ()) -> None:
        """Create the data directory, completely or not at all: UTF-8, superuser ``user``, passwords as scram.

        initdb inherits ``pass_fds`` and nothing else.

        Raises:
            ServerFailedError: initdb fails.
        """
        unfinished = self.data.with_name(f"{self.data.name}.unfinished")
        password_file = self.data.with_name(f"{self.data.name}.superuser")
        shutil.rmtree(unfinished, ignore_errors=True)  # from a command that was killed
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
        """Write the server's ``settings``; they take effect at its next start."""
        lines = [f"{name} = '{value}'" for name, value in settings.items()]
        self._write("postgresql.auto.conf", lines)

    def admit(self, rules: Sequence[str]) -> None:
        """Write who may connect, as lines of pg_hba.conf; they take effect at the next start or reload."""
        self._write("pg_hba.conf", rules)

    def start(self, binaries: Binaries, pass_fds: Sequence[int] = ()) -> str:
        """Start the server in its own session, wait until it answers, and return what it logged.

        It inherits ``pass_fds`` and no other file descriptors.

        Raises:
            ServerFailedError: it does not start; ``output`` is what it logged.
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
        """Stop the server, wait until it is gone, and return whether it was running.

        SIGINT cuts the connections and loses nothing, SIGQUIT leaves the cleanup to the next start, and SIGKILL is
        a crash. This needs no Postgres program, so a server whose installation was removed can be stopped too.

        Raises:
            DatabaseUnreachableError: it is still running a minute later.
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
        """The running server's process id; a pid file left by a crash does not count."""
        try:
            process_id = int(self._inside.read(_PID_FILE).split("\n", 1)[0])
            process = psutil.Process(process_id)
            is_postgres = process.status() != psutil.STATUS_ZOMBIE and "postgres" in process.name()
            # The file is owned by the account, which must not choose the process to which root sends a signal.
            if not is_postgres or process.uids().real != self.account.uid:
                return None
            with contextlib.suppress(
                psutil.AccessDenied
            ):  # root in a container may not be allowed to see other users' processes
                is_postgres = Path(process.cwd()) == self.data.resolve()
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None
        return process_id if is_postgres else None

    def port(self) -> int | None:
        """The port that the running server listens on; None if it is not running."""
        if self.process_id() is None:
            return None
        try:
            return int(self._inside.read(_PID_FILE).split("\n")[3])  # the file's fourth line
        except (FileNotFoundError, ValueError, IndexError):
            return None

    def forget_process(self) -> None:
        """Remove the pid file that a server left behind."""
        self._inside.remove(_PID_FILE)

    def log_size(self) -> int:
        """The size of the log in bytes; 0 if there is none."""
        return self._around.size(self.log.name)

    def put_log_aside(self) -> None:
        """Rename the log, so that the next start begins a new one."""
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
    """The line of Postgres's output that gives the reason."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for marker in ("FATAL:", "PANIC:", "error:", "ERROR:"):
        for line in lines:
            if marker in line:
                return line.partition(marker)[2].strip()
    return lines[-1] if lines else "there is no message"
