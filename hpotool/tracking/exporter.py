"""Sends a study's trials to one tracker, from the database alone, and remembers there which have arrived.

Killed at any point, it sends again whatever is not noted as arrived, and a target takes that as it takes it once.
A target that is slow or away makes it lag, and nothing else: trials know nothing of it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hpotool.errors import DatabaseUnreachableError, HpotoolError
from hpotool.faults import fault_point
from hpotool.storage.fleet.attempts import Run
from hpotool.storage.tracking.exported import ExportedStudy, ExportedTrial, ExportReader
from hpotool.storage.tracking.jobs import Held, Job, advance_job, note_trouble
from hpotool.tracking.targets.target import RefusedByTargetError, Target, TargetAwayError
from hpotool.tracking.tracked_run import describe_study, describe_trial, values_by_trial

Until = Literal["sent", "over", "told"]  # what is there was sent; the study is over too; somebody says so

_BATCH = 48
_AT_ONCE = 4  # a tracker far away answers as many in the time of one
_NOTE_EVERY_S = 2.0  # while a batch goes on; what a kill makes it send again
_REFUSALS, _REFUSALS_OF_ALL = 3, 10  # of one trial until it is left out; where the target took no other one
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_SHARE_OF_RUNNING = (
    0.1  # of the time, at most, that goes to showing trials that run: they are read and sent again whole
)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sent:
    """What came of exporting, and why it ended: as asked, told to, another has the job, or the study is gone."""

    trials: int
    refused: tuple[int, ...]
    why: Literal["done", "told", "taken", "deleted"]


class Exporter:
    """Exports one study to one target while it holds the job.

    ``is_lost`` says whether another process has the job by now.
    """

    def __init__(
        self,
        run: Run,
        job: Job,
        held: Held,
        target: Target,
        leaving: threading.Event,
        is_lost: Callable[[], bool] = lambda: False,
        look_every_s: float = 2.0,
    ) -> None:
        self._run = run
        self._job = job
        self._job_id = held.job_id
        self._arrived = held.arrived
        self._target = target
        self._leaving = leaving
        self._is_lost = is_lost
        self._look_every_s = look_every_s
        self._reader = ExportReader(run, job.study_id)
        self._is_open = False
        self._refusals: dict[int, int] = {}
        self._latest: datetime | None = None
        self._sent = 0
        self._wait_s = _FIRST_WAIT_S
        self._show_at = 0.0
        self._trouble: str | None = None
        self._pool = ThreadPoolExecutor(_AT_ONCE, "hpotool-export")

    def export(self, until: Until) -> Sent:
        """Send what is there and what comes, until there is a reason to leave.

        Raises:
            InputError: the target can never be used as it was named.
            HpotoolError: the database refuses.
        """
        try:
            return self._export(until)
        finally:
            self._target.close()

    def _export(self, until: Until) -> Sent:
        while not self._leaving.is_set():
            if self._is_lost():
                return self._end("taken")
            try:
                study = self._reader.read_study()
                if study is None:
                    return self._end("deleted")
                is_all = self._round(study)
            except (TargetAwayError, DatabaseUnreachableError) as error:
                self._endure(error)
                continue
            self._go_on_well()
            if is_all and (until == "sent" or (until == "over" and study.is_over)):
                return self._end("done")
            self._leaving.wait(self._look_every_s if is_all or self._refusals else 0)
        return self._end("told")

    def _round(self, study: ExportedStudy) -> bool:
        """Send once what is there; whether nothing finished is left to send."""
        if not self._is_open:
            self._target.open(describe_study(study, None), self._job_id)
            self._is_open = True
        finished = self._reader.read_finished(study, self._arrived, _BATCH)
        self._send_finished(study, finished)
        if len(finished) == _BATCH:  # it lags: what runs can wait
            return False
        self._show_running(study)
        return not self._refusals

    def _show_running(self, study: ExportedStudy) -> None:
        """Send what runs as it is now; not often where that is much, or the tracker is slow."""
        began = time.monotonic()
        if began < self._show_at:
            return
        for trial in self._reader.read_running(study):
            if self._leaving.is_set() or self._is_lost():
                return
            with suppress(RefusedByTargetError):  # said when it is over
                self._target.send(describe_trial(study, trial))
        ended = time.monotonic()
        self._show_at = ended + (ended - began) / _SHARE_OF_RUNNING

    def _send_finished(self, study: ExportedStudy, trials: Sequence[ExportedTrial]) -> None:
        """Send the trials, a few at once, and note on the way which have arrived."""
        noted_at = time.monotonic()
        sent: list[ExportedTrial] = []
        for first in range(0, len(trials), _AT_ONCE):
            if self._leaving.is_set() or self._is_lost():
                break
            some = trials[first : first + _AT_ONCE]
            outcomes = list(self._pool.map(lambda trial: self._send(study, trial), some))
            sent += [trial for trial, outcome in zip(some, outcomes, strict=True) if outcome is True]
            fault_point("export.sent")
            errors = [outcome for outcome in outcomes if isinstance(outcome, TargetAwayError)]
            if errors:
                if sent:  # what a server took that fails now and then
                    self._arrive(study, sent)
                raise errors[0]
            if time.monotonic() - noted_at > _NOTE_EVERY_S:
                self._arrive(study, sent)
                sent, noted_at = [], time.monotonic()
        self._arrive(study, sent)

    def _send(self, study: ExportedStudy, trial: ExportedTrial) -> bool | TargetAwayError:
        """Send the trial; whether it arrived, or why that is not known."""
        try:
            self._target.send(describe_trial(study, trial))
        except TargetAwayError as error:
            return error
        except RefusedByTargetError as error:
            self._refusals[trial.number] = self._refusals.get(trial.number, 0) + 1
            if self._refusals[trial.number] == 1:
                _logger.warning("trial %d: %s", trial.number, error.message)
            return False
        self._refusals.pop(trial.number, None)
        return True

    def _arrive(self, study: ExportedStudy, trials: Sequence[ExportedTrial]) -> None:
        """Send what the study's own run shows of them, and note them with those that will never be taken."""
        self._sent += len(trials)
        self._latest = max((trial.ended for trial in trials if trial.ended), default=self._latest)
        points = tuple(point for trial in trials for point in values_by_trial(trial))
        self._target.send_study(describe_study(study, self._latest), points)
        most = _REFUSALS if self._sent else _REFUSALS_OF_ALL
        refused = [number for number, times in self._refusals.items() if times >= most]
        arrived = self._arrived.with_more([trial.number for trial in trials], refused)
        if arrived != self._arrived and advance_job(self._run, self._job, arrived):
            self._arrived = arrived
            self._wait_s = _FIRST_WAIT_S  # it gets on
            for number in refused:
                del self._refusals[number]

    def _endure(self, error: HpotoolError) -> None:
        """Say once what is in the way, and wait for longer each time."""
        self._target.forget()
        self._is_open = False
        if self._trouble is None:
            _logger.warning("%s; it is tried again until it works", error.message)
            with suppress(DatabaseUnreachableError):
                note_trouble(self._run, self._job, error.message)
        self._trouble = error.message
        self._leaving.wait(self._wait_s)
        self._wait_s = min(self._wait_s * 2, _LONGEST_WAIT_S)

    def _go_on_well(self) -> None:
        if self._trouble is not None:
            _logger.warning("it works again")
            with suppress(DatabaseUnreachableError):
                advance_job(self._run, self._job, self._arrived)
        self._trouble = None
        self._wait_s = _FIRST_WAIT_S

    def _end(self, why: Literal["done", "told", "taken", "deleted"]) -> Sent:
        return Sent(self._sent, tuple(sorted(self._arrived.refused)), why)
