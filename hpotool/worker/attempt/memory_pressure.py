"""Whether the kernel has killed somebody for memory: counters that only grow."""

from __future__ import annotations

from pathlib import Path


def count_memory_kills() -> int:
    """How many processes the kernel has killed for memory: in this cgroup where it tells, else on this machine.

    A container's limit is counted in its cgroup, the machine's own memory in ``/proc/vmstat``; the sum of both
    grows with either, and only its growth is looked at.
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
