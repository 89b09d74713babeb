"""What schedulers and machines say of launches, asked beside the pages.

Promise: nobody who opens a page waits for a scheduler for more than a second. However many pages are open, each
launch is asked about once at a time and at most every `FRESH_S` seconds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hpotool.api.fleet import ask_system
from hpotool.launch.job import Job
from hpotool.storage.control.launches import Launch

FRESH_S = 15.0
_WAIT_S = 1.0  # how long a page waits: as a rule, a scheduler answers within that
_AT_ONCE = 4
_NO_ANSWER = "hpotool does not understand its answer; the dashboard's own output has the details"

Ask = Callable[[Launch], "list[Job] | str"]


@dataclass(frozen=True)
class Answer:
    """What is known of one launch.

    Attributes:
        jobs: its places; a sentence if its system did not answer; None before the first answer.
        at: when that was, on the monotonic clock.
        asked_at: since when it is being asked; None: it is not.
    """

    jobs: Sequence[Job] | str | None = None
    at: float | None = None
    asked_at: float | None = None

    @property
    def age_s(self) -> float | None:
        """How old the answer is."""
        return None if self.at is None else time.monotonic() - self.at

    @property
    def asking_s(self) -> float | None:
        """For how long an answer has been waited for."""
        return None if self.asked_at is None else time.monotonic() - self.asked_at


class Schedulers:
    """Asks about launches in threads of its own. Threads share it."""

    def __init__(self, ask: Ask = ask_system) -> None:
        self._ask = ask
        self._changed = threading.Condition()
        self._answers: dict[str, Answer] = {}
        self._queue: deque[Launch] = deque()
        self._busy = 0

    def look(self, launches: Sequence[Launch]) -> Mapping[str, Answer]:
        """Return what is known of each launch, and ask again where that is old."""
        names = {launch.launch_id for launch in launches}
        with self._changed:
            self._answers = {
                name: known for name, known in self._answers.items() if name in names or known.asked_at
            }
            for launch in launches:
                self._ask_if_old(launch)
            self._changed.wait_for(lambda: all(self._answers[name].at is not None for name in names), _WAIT_S)
            return {name: self._answers[name] for name in names}

    def _ask_if_old(self, launch: Launch) -> None:
        known = self._answers.get(launch.launch_id, Answer())
        is_fresh = known.age_s is not None and known.age_s < FRESH_S
        if known.asked_at is None and not is_fresh:
            known = replace(known, asked_at=time.monotonic())
            self._queue.append(launch)
            self._begin()
        self._answers[launch.launch_id] = known

    def _begin(self) -> None:
        if self._queue and self._busy < _AT_ONCE:
            self._busy += 1
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        try:
            while (launch := self._take()) is not None:
                self._ask_about(launch)
        finally:
            with self._changed:
                self._busy -= 1
                self._begin()  # a thread that died leaves the rest to another one

    def _take(self) -> Launch | None:
        with self._changed:
            return self._queue.popleft() if self._queue else None

    def _ask_about(self, launch: Launch) -> None:
        jobs: Sequence[Job] | str = _NO_ANSWER
        try:
            jobs = self._ask(launch)
        finally:
            with self._changed:
                self._answers[launch.launch_id] = Answer(jobs, time.monotonic())
                self._changed.notify_all()
