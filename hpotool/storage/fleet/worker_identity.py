"""The identity of a worker, unique enough to tell later whether that very process still runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkerIdentity:
    """One worker process in one slot.

    ``process_space`` (boot and process namespace of the machine) and ``process_start`` (the kernel's start time of
    the pid) distinguish a process from a later one with the same pid.
    """

    worker_id: str
    host: str
    pid: int
    process_space: str
    process_start: str
    slot: str
