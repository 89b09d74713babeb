"""A worker's side threads, each of which calls a step repeatedly. A thread that dies is restarted.

Statements that the database refuses end none of them.

They watch each other: before each step, a thread checks that the others are alive, and the main thread does so
before each claim.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from hpotool.errors import HpotoolError

Step = Callable[[], float]  # performs one step; returns the seconds until the next one

_AFTER_REFUSAL_S = 1.0
_logger = logging.getLogger(__name__)


class SideThreads:
    """Named steps, each in its own daemon thread from ``start`` to ``close``."""

    def __init__(self, steps: Mapping[str, Step]) -> None:
        self._steps = steps
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._closing = threading.Event()

    def ensure_alive(self) -> None:
        """Start threads that are not running. A death is logged; Python itself has printed the error."""
        with self._lock:
            for name in self._steps:
                thread = self._threads.get(name)
                if self._closing.is_set() or (thread is not None and thread.is_alive()):
                    continue
                if thread is not None:
                    _logger.error("the %s thread died and was restarted", name)
                self._threads[name] = threading.Thread(
                    target=self._repeat, args=(name,), name=f"hpotool-{name}", daemon=True
                )
                self._threads[name].start()

    def close(self, timeout_s: float = 2.0) -> None:
        """End the threads; one that hangs in a dead network is abandoned, because it is a daemon."""
        self._closing.set()
        for thread in self._threads.values():
            if thread is not threading.current_thread():
                thread.join(timeout_s)

    def _repeat(self, name: str) -> None:
        refusal = None
        while not self._closing.is_set():
            try:
                delay = self._steps[name]()
            except HpotoolError as error:
                # The database answers but refuses: its tables are being changed. Log once, then retry.
                if str(error) != refusal:
                    _logger.warning("the %s thread keeps trying: %s", name, error)
                refusal, delay = str(error), _AFTER_REFUSAL_S
            else:
                refusal = None
            self.ensure_alive()
            self._closing.wait(delay)
