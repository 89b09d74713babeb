"""Whether a worker's devices let it start a trial now: their memory, and their health."""

from __future__ import annotations

from hpotool.worker.devices.memory_turn import MemoryTurn
from hpotool.worker.devices.watch import DeviceWatch


class DeviceGate:
    """Asked before each claim, so that no trial is claimed that could not start; open without limits."""

    def __init__(self, turn: MemoryTurn | None = None, watch: DeviceWatch | None = None) -> None:
        self._turn = turn
        self._watch = watch
        self.waits: str | None = (
            None  # why it is closed, for the log, the registry and people; read by other threads
        )

    def ask(self) -> str | None:
        """Why no trial can start now; None: one can, and its memory is promised."""
        waits = None if self._watch is None else self._watch.wait_reason()
        if waits is None and self._turn is not None:
            waits = self._turn.take()
        self.waits = waits
        return waits

    @property
    def is_in_line(self) -> bool:
        """Whether it is closed only until other trials on the devices end."""
        return self.waits is not None and self._turn is not None and self._turn.is_in_line

    def leave(self) -> None:
        """The trial has ended, or there was none to claim: let others use its memory."""
        if self._turn is not None and self.waits is None:
            self._turn.give_back()

    def close(self) -> None:
        """Leave the line too."""
        if self._turn is not None:
            self._turn.give_back()
