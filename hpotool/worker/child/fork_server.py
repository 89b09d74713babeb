"""The fork server: a process that imports the objective once and forks a child for each attempt.

Promise: all processes that an attempt leaves behind are gone before its end is reported, and when the worker or
this process dies, however it dies, every process below it is killed. It has neither a database connection nor a
password, and never forks a child that could not use CUDA or threads: if importing the objective has already used
them, each child imports it again instead, and the worker says so.

It runs as ``python -m hpotool.worker.child.fork_server FD OBJECTIVE``, where FD is a socket to the worker:

    worker → here   StartAttempt (followed by two file descriptors: channel, log), Signal, Kill
    here → worker   {"ready": true, "cold": why or null} or {"failed": sentence, "hint": …}; then for each attempt
                    {"started": pid}, {"ended": pid, "status": as wait() has it, "left_behind": processes killed}
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn

from hpotool.errors import InputError
from hpotool.worker.child.entry import run_attempt
from hpotool.worker.child.exit import flush_files, open_files
from hpotool.worker.child.import_objective import load_objective
from hpotool.worker.child.plain_process import become_plain
from hpotool.worker.process.channel import Channel, ChannelClosed
from hpotool.worker.process.log_file import LogLimits, LogPipe
from hpotool.worker.process.process_tree import adopt_orphans, die_with_parent, kill_descendants
from hpotool.worker.process.protocol import Kill, Signal, StartAttempt

_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_LEFTOVERS_GONE_WITHIN_S = 5.0
# NumPy's generators take 9 ms to import; torch's compiler, imported by a process's first optimizer, 1.2 s.
_IMPORTED_LAZILY = {"numpy": "numpy.random", "torch": "torch._dynamo"}


class ForkServer:
    """Serves one worker until the worker closes its end or dies."""

    def __init__(self, control: Channel, reference: str) -> None:
        self._control = control
        self._reference = reference
        self._objective: Callable[..., Any] | None = None
        self._open_files: list[IO[Any]] = []
        self._leader: int | None = None
        self._output: LogPipe | None = None  # the attempt's output
        self._log_limit = LogLimits.read().attempt

    def serve(self, cold: str | None) -> None:
        """Import the objective, unless ``cold`` says why not, then fork children until the worker is gone."""
        adopt_orphans()
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        if cold is None and self._reference:  # for a command, there is nothing to import
            try:
                with _ending_with(self._control):
                    self._objective = load_objective(self._reference)
            except InputError as error:
                self._control.send_json({"failed": error.message, "hint": error.hint})
                return
            _import_what_comes_lazily()
            if reason := _why_forking_is_unsafe():
                _start_again_cold(self._control, self._reference, reason)
            self._open_files = open_files()  # if frozen, children could not find them
            flush_files(self._open_files)  # otherwise each child would write unflushed output again
            gc.collect()
            gc.freeze()  # otherwise a garbage collection in a child would copy every page of the imported modules
        self._control.send_json({"ready": True, "cold": cold})
        child_ended = _wake_on(signal.SIGCHLD)
        sources: list[Any] = [self._control, child_ended]
        while True:
            output = self._output
            printing = [output] if output is not None and output.is_open else []
            readable = select.select([*sources, *printing], [], [])[0]
            if output in readable and output is not None:
                output.take()
            if child_ended in readable:
                child_ended.recv(4096)
                self._reap()
            if self._control in readable:
                self._obey()

    def _obey(self) -> None:
        message = self._control.receive_pickle()
        if isinstance(message, StartAttempt):
            self._start(message)
        elif isinstance(message, Signal) and self._leader is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._leader, message.number)
        elif isinstance(message, Kill):
            kill_descendants(os.getpid())

    def _start(self, start: StartAttempt) -> None:
        _, (channel_fd, log_fd), _, _ = socket.recv_fds(self._control.socket, 1, 2)
        parent = os.getpid()
        self._output = output = LogPipe(log_fd, self._log_limit)
        pid = os.fork()
        if pid == 0:
            die_with_parent(parent)
            self._control.close()
            log = output.become_writer()
            channel = Channel(socket.socket(fileno=channel_fd))
            run_attempt(start.job, self._load, channel, log, self._open_files)
        os.close(channel_fd)
        os.close(output.writing)
        self._leader = pid
        self._control.send_json({"started": pid})

    def _load(self) -> Callable[..., Any]:
        return self._objective or load_objective(self._reference)

    def _reap(self) -> None:
        """Reap ended children. If one was the attempt's leader, also end its leftovers, and tell the worker."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._leader:
                self._leader = None
                left = _end_leftovers()
                if self._output is not None:
                    self._output.close()
                    self._output = None
                self._control.send_json(
                    {"ended": pid, "status": status, "left_behind": left, "cpu_s": usage.ru_utime + usage.ru_stime}
                )


def _import_what_comes_lazily() -> None:
    """Import modules that every child would otherwise import by itself, after the objective's own imports."""
    for package, later in _IMPORTED_LAZILY.items():
        if package in sys.modules:
            with contextlib.suppress(ImportError):  # a version without it
                import_module(later)


def _end_leftovers() -> int:
    """Kill the processes that the attempt left behind, and wait until they are gone; return their number."""
    killed = 0
    deadline = time.monotonic() + _LEFTOVERS_GONE_WITHIN_S
    while time.monotonic() < deadline:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # none left
            break
        if pid == 0:
            killed += kill_descendants(os.getpid())
            time.sleep(0.002)
    return killed


def _wake_on(number: signal.Signals) -> socket.socket:
    """A socket that becomes readable when the signal arrives."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    return reading


@contextlib.contextmanager
def _ending_with(control: Channel) -> Iterator[None]:
    """While the block runs (an import may take long), end this process as soon as the worker is gone."""
    done_reading, done_writing = socket.socketpair()

    def watch() -> None:
        poll = select.poll()
        poll.register(control.fileno(), select.POLLHUP)
        poll.register(done_reading, select.POLLIN)
        if any(fd == control.fileno() for fd, _ in poll.poll()):
            kill_descendants(os.getpid())
            os._exit(1)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done_writing.send(b".")
        thread.join()
        done_reading.close()
        done_writing.close()


def _why_forking_is_unsafe() -> str | None:
    """Why a forked child could not use the imported objective, or None."""
    if any(_fd_target(fd).startswith("/dev/nvidia-uvm") for fd in _open_fds()):
        return "importing it has initialised CUDA"
    if sys.platform != "linux":
        return None
    # OpenBLAS and others end their threads before a fork and restart them afterwards; libgomp does not, and a
    # child would wait for ever for threads that it does not have. So check which threads remain during a fork.
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        return "importing it has left threads running"
    return None


def _open_fds() -> list[str]:
    folder = Path("/proc/self/fd")
    return [entry.name for entry in folder.iterdir()] if folder.exists() else []


def _fd_target(fd: str) -> str:
    try:
        return str((Path("/proc/self/fd") / fd).readlink())
    except OSError:
        return ""


def _start_again_cold(control: Channel, reference: str, reason: str) -> NoReturn:
    """Replace this process by a new interpreter on the same socket, which leaves the import to each child."""
    os.set_inheritable(control.fileno(), True)
    module = ["-m", "hpotool.worker.child.fork_server"]
    os.execv(sys.executable, [sys.executable, *module, str(control.fileno()), reference, reason])


def main(arguments: list[str]) -> None:
    """Serve the worker at the given file descriptor; end, with everything below, when it is gone."""
    control = Channel(socket.socket(fileno=int(arguments[0])))
    os.set_inheritable(control.fileno(), False)
    cold = arguments[2] if len(arguments) > 2 else None
    become_plain(arguments[1])
    with contextlib.suppress(ChannelClosed):
        ForkServer(control, arguments[1]).serve(cold)
    _end_leftovers()


if __name__ == "__main__":
    main(sys.argv[1:])
