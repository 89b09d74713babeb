"""All trials known to this process, for all its studies, and how they are read from the database."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Container, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpotool.storage.database.connection import Rows
from hpotool.storage.database.queries import query
from hpotool.storage.optuna.decoding import TrialDecoder
from hpotool.storage.optuna.live_trial import LiveTrial
from hpotool.storage.optuna.stored_trial import NO_STEPS, StepValues, StoredTrial
from hpotool.storage.optuna.study_records import NOT_FOUND
from hpotool.storage.optuna.trial_cache import StudyHistory, reevaluates
from hpotool.storage.optuna.window import LONG, NEWEST, read_best_ids
from hpotool.storage.optuna.write_buffer import WriteBuffer

MEMORY_MAY_BE_OLD_S = 1.0

_CHUNK = 5_000  # trials in one read
_STEPS_CHUNK = 1_000  # trials whose intermediate values are loaded together
_COLUMNS_CHUNK = 10_000


@dataclass(frozen=True)
class TrialLog:
    """A study's trials, for a reader that follows them.

    ``finished`` only grows at its end, in the order in which this process learned of the trials, so a reader that
    remembers how many it has seen only needs to read the rest. ``unfinished`` are the running and waiting trials
    of all processes, by number. Of trials below the number ``whole_from``, only the best are there.
    """

    finished: Sequence[StoredTrial]
    unfinished: Sequence[FrozenTrial]
    whole_from: int = 0


class TrialMemory:
    """The trials read from the database, and the writes of this process's own trials. Thread-safe.

    The lock is never held during a database query. ``hides_reevaluations``: readers of whole studies do not see
    the trials beside the search.
    """

    def __init__(self, writes: WriteBuffer, *, hides_reevaluations: bool = False) -> None:
        self._hides_reevaluations = hides_reevaluations
        self.lock = threading.RLock()
        self.live: dict[int, LiveTrial] = {}
        self.decoder = TrialDecoder(self.load_steps)
        self._writes = writes
        self._histories: dict[int, StudyHistory] = {}

    def history(self, study_id: int) -> StudyHistory:
        """The known trials of the study; empty at first."""
        with self.lock:
            return self._histories.setdefault(
                study_id, StudyHistory(study_id, hides_reevaluations=self._hides_reevaluations)
            )

    def forget(self, study_id: int) -> None:
        """Forget a study that was deleted."""
        with self.lock:
            self._histories.pop(study_id, None)
            for trial_id in [trial_id for trial_id, live in self.live.items() if live.study_id == study_id]:
                del self.live[trial_id]

    def mark_old(self, study_id: int) -> None:
        """Make the next read of the study query the database."""
        self.history(study_id).fresh_until = 0.0

    def find_finished(self, trial_id: int) -> FrozenTrial | None:
        """The trial, if it is known to be finished. It must not be changed."""
        with self.lock:
            known = (history.find(trial_id) for history in self._histories.values())
            return next((trial for trial in known if trial is not None and trial.state.is_finished()), None)

    @contextmanager
    def writing(self, trial_id: int) -> Iterator[LiveTrial]:
        """The trial to write to. One that this process does not run is read first; its writes are sent at once.

        Raises:
            KeyError: there is no such trial.
            UpdateFinishedTrialError: it is finished.
        """
        live = self.live.get(trial_id)
        if live is not None:
            yield live
            return
        study_id, trial = self.read_trial(trial_id)
        if trial.state.is_finished():
            raise UpdateFinishedTrialError(f"Trial#{trial.number} has already finished and can not be updated.")
        yield LiveTrial(study_id, trial)
        self._writes.flush()
        with self.lock:
            history = self.history(study_id)
            history.reread.add(trial_id)
            history.fresh_until = 0.0

    def start(self, study_id: int, trial: FrozenTrial) -> LiveTrial:
        """Register that this process runs ``trial``."""
        with self.lock:
            live = self.live[trial._trial_id] = LiveTrial(study_id, trial)
            history = self.history(study_id)
            if history.is_loaded:
                history.put(live.frozen())
            if history.missing_numbers():  # others started trials between the last read and this one's start
                history.fresh_until = 0.0
            return live

    def end(
        self,
        trial_id: int,
        state: TrialState | None = None,
        values: list[float] | None = None,
        completed: datetime | None = None,
    ) -> None:
        """Register that this process no longer runs the trial; the other arguments describe its end, if known."""
        with self.lock:
            live = self.live.pop(trial_id, None)
            if live is None:
                for history in self._histories.values():
                    history.fresh_until = 0.0
                return
            history = self.history(live.study_id)
            history.fresh_until = 0.0
            if history.is_loaded and state is not None and state.is_finished():
                history.put(live.finished(self.decoder, state, values, completed))

    def is_fresh(self, history: StudyHistory) -> bool:
        """Whether the study may be read from memory: a trial of ours is running, and the last read was recent."""
        with self.lock:
            return (
                history.is_loaded
                and time.monotonic() < history.fresh_until
                and any(live.study_id == history.study_id for live in self.live.values())
            )

    def refresh(self, study_id: int, *, whole: bool = True) -> StudyHistory:
        """Read the changes in the study; the first time, everything, or without ``whole`` what a search needs.

        Raises:
            KeyError: there is no such study.
        """
        history = self._history_to_read(study_id, whole=whole)
        asked_at = time.monotonic()
        if history.is_loaded:
            after, unfinished = history.read_up_to, set[int]()
        else:
            self._check_exists(study_id)
            after, unfinished = self._read_history(history, *(() if whole else self._read_window(history)))
        self._read_changes(history, after, unfinished)
        with self.lock:
            history.is_loaded = True
            history.fresh_until = asked_at + MEMORY_MAY_BE_OLD_S
        return history

    def select(self, study_id: int, states: Container[TrialState] | None) -> list[FrozenTrial]:
        """The trials in these states, by number, including the writes of our own trials."""
        with self.lock:
            history = self.history(study_id)
            selected = history.select(states)
            if states is not None and TrialState.RUNNING not in states:
                return selected
            for live in self.live.values():
                if live.study_id == study_id and live.trial_id in history:
                    trial = live.shared()
                    position = history.position(trial) if states is None else _position(selected, trial)
                    selected[position] = trial
            return selected

    def log(self, study_id: int) -> TrialLog:
        """The study's trials as a log, as they are in memory."""
        with self.lock:
            unfinished = self.select(study_id, (TrialState.RUNNING, TrialState.WAITING))
            history = self.history(study_id)
            return TrialLog(history.finished, unfinished, history.whole_from)

    def read_trial(self, trial_id: int) -> tuple[int, FrozenTrial]:
        """One trial's current state in the database, with its study's id.

        Raises:
            KeyError: there is no such trial.
        """
        rows = self._writes.run(query("read_trial"), {"trial_id": trial_id, "with_steps": True})
        if not rows:
            raise KeyError(NOT_FOUND)
        return int(rows[0][1]), self.decoder.trial(rows[0])

    def read_numbered(self, study_id: int, numbers: Sequence[int]) -> list[FrozenTrial]:
        """The finished trials with these numbers, in that order, from memory as far as they are there."""
        with self.lock:
            known = self.history(study_id).with_numbers(numbers)
        unknown = [number for number in numbers if number not in known]
        if unknown:
            ids = self._writes.run(query("find_numbered"), {"study_id": study_id, "numbers": unknown})
            rows = self._writes.run(query("read_chosen"), {"trial_ids": [trial_id for (trial_id,) in ids]})
            self._learn_hashes(rows)
            known.update((row[1], self.decoder.finished_trial(row)) for row in rows)
        return [known[number] for number in numbers if number in known]

    def read_waiting(self, study_id: int) -> list[FrozenTrial]:
        """The waiting trials, by number, without reading the rest of the study."""
        rows = self._writes.run(query("read_waiting"), {"study_id": study_id, "with_steps": True})
        trials = [self.decoder.trial(row) for row in rows]
        return [trial for trial in trials if not (self._hides_reevaluations and reevaluates(trial))]

    def distribution(self, study_id: int, name: str) -> BaseDistribution | None:
        """The first distribution of a parameter in the study."""
        history = self.history(study_id)
        known = history.distributions.get(name)
        if known is None and not history.is_loaded:
            rows = self._writes.run(query("find_distribution"), {"study_id": study_id, "name": name})
            known = self.decoder.distribution(rows[0][0]) if rows else None
        return known

    def step_columns(self, trials: Sequence[StoredTrial]) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
        """Intermediate values of finished trials by step, in no particular order. A step may occur repeatedly.

        The values are not kept here: two million of them take 16 MB in the caller's columns.
        """
        unread = []
        for trial in trials:
            if trial._steps is None:
                unread.append(trial._trial_id)
            else:
                for step, value in trial._steps.items():
                    yield step, np.array([value])
        for first in range(0, len(unread), _COLUMNS_CHUNK):
            asked = {"trial_ids": unread[first : first + _COLUMNS_CHUNK]}
            for step, packed in self._writes.run(query("read_step_columns"), asked):
                yield step, np.frombuffer(packed, dtype=">f8").astype(float)

    def load_steps(self, trial: StoredTrial) -> StepValues:
        """The intermediate values of a finished trial; those of its neighbours are loaded with them."""
        with self.lock:
            neighbours = self._neighbours_without_steps(trial)
        return self.load_steps_of(neighbours).get(trial._trial_id, NO_STEPS)

    def load_steps_of(self, trials: Sequence[StoredTrial]) -> Mapping[int, StepValues]:
        """The intermediate values of finished trials, by trial id, in one read; they are kept with the trials."""
        if not trials:
            return {}
        rows = self._writes.run(query("read_steps"), {"trial_ids": [trial._trial_id for trial in trials]})
        steps = {trial_id: self.decoder.steps(steps, values) for trial_id, steps, values in rows}
        for trial in trials:
            trial._steps = steps.get(trial._trial_id, NO_STEPS)
        return steps

    def _neighbours_without_steps(self, trial: StoredTrial) -> Sequence[StoredTrial]:
        for history in self._histories.values():
            if trial._trial_id in history:
                first = history.position(trial)
                near = history.trials[first : first + _STEPS_CHUNK]
                return [each for each in near if isinstance(each, StoredTrial) and each._steps is None]
        return [trial]

    def _history_to_read(self, study_id: int, *, whole: bool) -> StudyHistory:
        """The known trials; if all are wanted and only some were read, a new history, to read all into."""
        with self.lock:
            history = self.history(study_id)
            if whole and history.is_loaded and not history.is_whole:
                history = self._histories[study_id] = StudyHistory(
                    study_id, hides_reevaluations=self._hides_reevaluations
                )
            return history

    def _read_window(self, history: StudyHistory) -> tuple[int, set[int]]:
        """Of a long study, read the best of the older trials.

        Returns the id after which its newest trials begin, and the ids of older ones that have not ended.
        """
        study_id = history.study_id
        count = self._count_numbers(study_id)
        if count <= LONG:
            return history.read_up_to, set()
        number = count - NEWEST
        [(first_id, unfinished)] = self._writes.run(query("find_window"), {"study_id": study_id, "number": number})
        best = read_best_ids(
            self._writes.run,
            study_id,
            self._directions(study_id),
            first_id,
            hides_reevaluations=self._hides_reevaluations,
        )
        rows = self._writes.run(query("read_chosen"), {"trial_ids": best})
        self._learn_hashes(rows)
        with self.lock:
            history.begin_at(number)
        self._take_in(history, [self.decoder.finished_trial(row) for row in rows])
        return first_id - 1, set(unfinished)

    def is_long(self, study_id: int) -> bool:
        """Whether the study has more trials than are read without being asked for."""
        return self._count_numbers(study_id) > LONG

    def _count_numbers(self, study_id: int) -> int:
        [(count,)] = self._writes.run(query("count_numbers"), {"study_id": study_id})
        return int(count)

    def _directions(self, study_id: int) -> list[StudyDirection]:
        rows = self._writes.run(query("read_directions"), {"study_id": study_id})
        return [StudyDirection[name] for (name,) in rows]

    def _read_history(
        self, history: StudyHistory, after: int = -1, unfinished: AbstractSet[int] = frozenset()
    ) -> tuple[int, set[int]]:
        """The first read: all finished trials after an id. Returns the highest id read, and the ids of unfinished
        trials, those given included."""
        unfinished = set(unfinished)
        while True:
            asked = {"study_id": history.study_id, "after": after, "limit": _CHUNK}
            rows = self._writes.run(query("read_history"), asked)
            self._learn_hashes(rows)
            finished = [row for row in rows if row[2] not in ("RUNNING", "WAITING")]
            unfinished |= {row[0] for row in rows} - {row[0] for row in finished}
            self._take_in(history, [self.decoder.finished_trial(row) for row in finished])
            if rows:
                after = rows[-1][0]
            if len(rows) < _CHUNK:
                return after, unfinished

    def _learn_hashes(self, rows: Rows) -> None:
        unknown = self.decoder.unknown_hashes(rows)
        if not unknown:
            return
        asked = {"trial_ids": list(unknown.values())}
        params = {row[0]: row[1:] for row in self._writes.run(query("read_params"), asked)}
        for hashes, trial_id in unknown.items():
            self.decoder.learn_hash(hashes, *params[trial_id])

    def _read_changes(self, history: StudyHistory, after: int, unfinished: set[int]) -> None:
        with self.lock:
            own = {trial_id for trial_id, live in self.live.items() if live.study_id == history.study_id}
            reread = frozenset(history.reread)
            asked = {
                "study_id": history.study_id,
                "known": after,
                "missing": history.missing_numbers(),
                "running": sorted((history.running | unfinished) - own | reread),
                "own": sorted(own),
                "waiting": sorted(history.waiting - reread),
                "limit": _CHUNK,
                "with_steps": history.wants_steps,
            }
        while True:
            rows = self._writes.run(query("read_changes"), {**asked, "after": after})
            self._take_in(history, [self.decoder.trial(row) for row in rows])
            n_new = sum(row[0] > after for row in rows)
            if n_new:
                after = rows[-1][0]
            if n_new < _CHUNK:
                break
            asked.update(running=[], own=[], waiting=[], missing=[])
        with self.lock:
            history.reread -= reread
            for live in self.live.values():
                if live.study_id == history.study_id and live.trial_id not in history:
                    history.put(live.shared())
            history.read_up_to = max(after, history.read_up_to)

    def _take_in(self, history: StudyHistory, trials: Sequence[FrozenTrial]) -> None:
        with self.lock:
            for trial in trials:
                if trial._trial_id in self.live:
                    if not trial.state.is_finished():
                        continue
                    # Another process ended it. Its next write here will raise an error.
                    del self.live[trial._trial_id]
                history.put(trial)

    def _check_exists(self, study_id: int) -> None:
        if not self._writes.run("select 1 from studies where study_id = %(study_id)s", {"study_id": study_id}):
            raise KeyError(NOT_FOUND)


def _position(trials: Sequence[FrozenTrial], trial: FrozenTrial) -> int:
    position = bisect_left(trials, trial._number, key=lambda each: each._number)
    while trials[position]._trial_id != trial._trial_id:
        position += 1
    return position
