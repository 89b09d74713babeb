"""All calls to a checkpoint store go through here: each ends in time, with an answer or with one kind of error.

The errors of fsspec, botocore, gcsfs and google-auth have no common class, and a call that hangs raises nothing.
So each call runs in its own thread. Any error but a missing file becomes a `CheckpointStoreError`, and so does a
call that takes too long.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

from hpotool.errors import CheckpointStoreError

_Answer = TypeVar("_Answer")
_SLOWEST_BYTES_PER_S = 1 << 20  # additional time for a call that moves a file
_ABANDONED_CALLS = 4  # calls hanging at the same time; at this number, no more are made
_LOOKS_EVERY_S = 0.1
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """Time limits for a store, in seconds.

    call: for one call that moves no file; others get one more second for each MiB.
    at_start: for an attempt to get its checkpoints; then it is handed back.
    at_end: for an ended attempt to send its last copy; then this machine keeps it and sends it later.
        Tried only once if the previous copy failed too, or every further trial would take that much longer.
    every: between two copies of a running attempt; while the store is away, growing up to 8 times as long.
    first_pause, longest_pause: between two tries at the start and at the end, doubling each time.
    """

    call: float = 30.0
    at_start: float = 120.0
    at_end: float = 30.0
    every: float = 15.0
    first_pause: float = 1.0
    longest_pause: float = 15.0


class StoreCalls:
    """Makes the calls to one store, and logs once when it goes away and once when it is back."""

    def __init__(self, store: str, patience: Patience) -> None:
        """``store``: its name in messages."""
        self._store = store
        self._patience = patience
        self._abandoned: list[threading.Thread] = []
        self._away_since: float | None = None
        self._is_hurried: Callable[[], bool] = _never

    def call(self, function: Callable[..., _Answer], *arguments: Any, size: int = 0, **options: Any) -> _Answer:
        """Call the function and return its answer. ``size``: the number of bytes that it moves.

        Raises:
            FileNotFoundError: there is no such file.
            CheckpointStoreError: for any other error.
        """
        self._abandoned = [thread for thread in self._abandoned if thread.is_alive()]
        if len(self._abandoned) >= _ABANDONED_CALLS:
            raise CheckpointStoreError(f"{self._store} does not answer: {len(self._abandoned)} calls hang")
        answers: queue.SimpleQueue[_Ended] = queue.SimpleQueue()

        def work() -> None:
            with _Ended(answers) as ended:
                ended.answer = function(*arguments, **options)

        thread = threading.Thread(target=work, name="checkpoint-call", daemon=True)
        thread.start()
        ended = self._wait_for(answers, self._patience.call + size / _SLOWEST_BYTES_PER_S)
        if ended is None:
            self._abandoned.append(thread)
            raise CheckpointStoreError(f"{self._store} does not answer")
        if isinstance(ended.error, FileNotFoundError):
            raise ended.error
        if ended.error is not None:
            raise CheckpointStoreError(f"{self._store}: {_describe(ended.error)}") from ended.error
        answer: _Answer = ended.answer
        return answer

    def _wait_for(self, answers: queue.SimpleQueue[_Ended], within_s: float) -> _Ended | None:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and not self._is_hurried():
            with contextlib.suppress(queue.Empty):
                return answers.get(timeout=_LOOKS_EVERY_S)
        return None

    def retry(
        self, work: Callable[[], _Answer], within_s: float, is_hurried: Callable[[], bool] | None = None
    ) -> _Answer:
        """Do the work, retrying while the store fails, for ``within_s`` or until ``is_hurried``.

        Raises:
            CheckpointStoreError: it never succeeded.
        """
        self._is_hurried = is_hurried or _never
        deadline = time.monotonic() + within_s
        pause = self._patience.first_pause
        try:
            while True:
                try:
                    answer = work()
                except CheckpointStoreError as error:
                    self.note(error, f"trying again for {max(0.0, deadline - time.monotonic()):.0f} s")
                    if not self._sleep(min(pause, deadline - time.monotonic())):
                        raise
                    pause = min(2 * pause, self._patience.longest_pause)
                else:
                    self.note(None)
                    return answer
        finally:
            self._is_hurried = _never

    def _sleep(self, seconds: float) -> bool:
        """Sleep; False if there is no time left."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._is_hurried():
            time.sleep(min(_LOOKS_EVERY_S, seconds))
        return seconds > 0 and not self._is_hurried()

    def note(self, error: CheckpointStoreError | None, then: str = "") -> None:
        """Log that the store is away or back, once each."""
        if error is None and self._away_since is not None:
            _logger.warning("%s is back after %.0f s", self._store, time.monotonic() - self._away_since)
            self._away_since = None
        elif error is not None and self._away_since is None:
            self._away_since = time.monotonic()
            _logger.warning("trouble with the checkpoints: %s; %s", error.message, then)


class _Ended:
    """Puts the end of a call into the queue when its block ends, so that the thread itself raises nothing."""

    def __init__(self, answers: queue.SimpleQueue[_Ended]) -> None:
        self._answers = answers
        self.answer: Any = None
        self.error: BaseException | None = None

    def __enter__(self) -> _Ended:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self.error = error
        self._answers.put(self)
        return True


def _never() -> bool:
    return False


def _describe(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
