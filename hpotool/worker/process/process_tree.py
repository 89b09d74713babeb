"""The descendants of a process: lists them, measures their memory, kills them, and adopts orphans.

Reads ``/proc`` if it exists (Linux), and falls back to psutil elsewhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PROC = Path("/proc")


def descendants(pid: int) -> list[int]:
    """All living descendants of ``pid``, parents before children."""
    if sys.platform != "linux":
        return _descendants_by_psutil(pid)
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = _children(waiting.pop())
        found.extend(children)
        waiting.extend(children)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    # One file per thread. A process or thread that ends while it is read has no children.
    with contextlib.suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                children.extend(int(child) for child in (thread / "children").read_text().split())
    return children


def _descendants_by_psutil(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill_descendants(pid: int) -> int:
    """SIGKILL all descendants of ``pid``; return their number."""
    found = descendants(pid)
    for child in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(child, signal.SIGKILL)
    return len(found)


def identify(pids: list[int]) -> frozenset[psutil.Process]:
    """The processes that have these pids now, distinguished from later ones with the same pids."""
    found: set[psutil.Process] = set()
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            found.add(psutil.Process(pid))
    return frozenset(found)


def kill_all(processes: frozenset[psutil.Process]) -> None:
    """SIGKILL those that are still alive."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


def resident_memory(pids: list[int]) -> int:
    """Resident bytes of ``pids``; shared pages count once for each process, so this is an upper bound."""
    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            total += psutil.Process(pid).memory_info().rss
    return total


def proportional_memory(pids: list[int]) -> int:
    """Bytes used by ``pids``, with shared pages divided among their users; resident size if not available.

    Limits apply to this figure, because the workers of a data loader share most of their pages, and so do an
    attempt and its fork server. It walks page tables, so it is used only near a limit.
    """
    return sum(_proportional_memory(pid) for pid in pids)


def _proportional_memory(pid: int) -> int:
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return resident_memory([pid])
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when ``parent`` dies; exit at once if it is already dead (Linux)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died between the fork and the previous line
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of all orphaned descendants of this process (Linux)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
