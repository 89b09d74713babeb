"""Whether a worker's devices let it start a trial now: their memory, and their health."""

from __future__ import annotations

from hpotool.worker.devices.memory_turn import MemoryTurn


class DeviceGate:
    """Asked before each claim, so that no trial is claimed that could not start; open without limits."""

    def __init__(self, turn: MemoryTurn | None = None) -> None:
        self._turn = turn
        self.waits: str | None = (
            None  # why it is closed, for the log, the registry and people; read by other threads
        )

    def ask(self) -> str | None:
        """Why no trial can start now; None: one can, and its memory is promised."""
        self.waits = None if self._turn is None else self._turn.take()
        return self.waits

    def leave(self) -> None:
        """The trial has ended, or there was none to claim: let others use its memory."""
        if self._turn is not None and self.waits is None:
            self._turn.give_back()

    def close(self) -> None:
        """Leave the line too."""
        if self._turn is not None:
            self._turn.give_back()
