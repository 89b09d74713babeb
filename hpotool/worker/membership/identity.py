"""The identity of this process, and whether another registered worker's process still runs on this machine."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

import psutil

from hpotool.storage.fleet.worker_identity import WorkerIdentity

_PROC = Path("/proc")


def identify_worker(slot: str) -> WorkerIdentity:
    """A new worker's identity in this process. Every call creates another worker."""
    host, pid = socket.gethostname(), os.getpid()
    return WorkerIdentity(
        worker_id=f"{host}-{pid}-{uuid.uuid4().hex[:6]}",
        host=host,
        pid=pid,
        process_space=process_space(),
        process_start=process_start(pid) or "",
        slot=slot,
    )


def process_space() -> str:
    """The scope in which pids are comparable: this boot of this machine and this pid namespace."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return f"{uuid.getnode():x}:{psutil.boot_time():.0f}"


def process_start(pid: int) -> str | None:
    """When the process started, by a clock that cannot be set; None if there is no such process.

    Raises:
        OSError: that cannot be found out, for example of another user's process.
    """
    try:
        # Field 22, in ticks since boot. The command's name (field 2) may contain anything, even parentheses.
        # psutil's create_time adds the boot time, which changes when the wall clock is set.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except ProcessLookupError:  # it ended after its file was opened
        return None
    except FileNotFoundError:
        if (_PROC / "self/stat").exists():
            _check_hidden(pid)
            return None
    else:
        return None if fields[0] == "Z" else fields[19]
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied as error:
        raise PermissionError(str(error)) from error


def _check_hidden(pid: int) -> None:
    """Raise PermissionError for a process that exists; /proc mounted with hidepid=2 hides those of other users."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    if (_PROC / str(pid)).exists():  # it has started just now
        return
    raise PermissionError(f"process {pid} is hidden")


def has_ended(pid: int, start: str) -> bool:
    """Whether the process that had this number and start has certainly ended; what cannot be known has not."""
    try:
        return bool(start) and process_start(pid) != start
    except OSError:  # hidden, or this process has no file descriptor left
        return False


def is_provably_gone(worker: WorkerIdentity) -> bool:
    """Whether that worker's process has certainly ended; never true for another machine or container."""
    if worker.host != socket.gethostname() or worker.process_space != process_space():
        return False
    return has_ended(worker.pid, worker.process_start)


def has_left_this_host(worker: WorkerIdentity) -> bool:
    """Whether that worker was on this host and appears to be gone.

    Weaker than `is_provably_gone`: the worker may be running in another container with the same name. Enough for
    actions that are harmless when repeated.
    """
    if worker.host != socket.gethostname():
        return False
    return worker.process_space != process_space() or has_ended(worker.pid, worker.process_start)
