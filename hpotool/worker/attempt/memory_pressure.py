"""Detects whether the kernel has killed a process for lack of memory, from counters that only grow."""

from __future__ import annotations

from pathlib import Path


def count_memory_kills() -> int:
    """The number of processes killed by the kernel's OOM killer, in this cgroup if available, and on this machine.

    Kills due to a container's limit are counted in its cgroup, kills for lack of machine memory in
    ``/proc/vmstat``. The sum grows with either, and only its growth is used.
    """
    return _cgroup_kills() + _machine_kills()


def _cgroup_kills() -> int:
    try:
        group = Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
        events = (Path("/sys/fs/cgroup") / group.lstrip("/") / "memory.events").read_text()
    except OSError:
        return 0
    return _value(events, "oom_kill")


def _machine_kills() -> int:
    try:
        return _value(Path("/proc/vmstat").read_text(), "oom_kill")
    except OSError:
        return 0


def _value(text: str, name: str) -> int:
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == name:
            return int(words[1])
    return 0
