"""The studies that a pool's worker has open, at most a few; the one whose turn is longest ago is closed first."""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta

from hpotool.errors import HpotoolError, InputError, NotFoundError
from hpotool.storage.fleet.attempts import Attempt, NoTrial, Refusal
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.storage.pools.turns import PoolStudy, Turn, read_pool_study
from hpotool.study.doors import describe_error
from hpotool.study.file.reader import read_study_data
from hpotool.study.outcome import Outcome
from hpotool.worker.log import log_event
from hpotool.worker.pool.open_study import OpenStudy, works_alike
from hpotool.worker.process.fork_server_handle import ImportInterrupted

_logger = logging.getLogger(__name__)

# Each has a process with its imports: with torch about 500 MB.
MOST_OPEN = 8
UNFIT_FOR_S = 300.0  # then it is tried again: somebody may have installed what was missing
# After its circuit breaker opened. Then one trial is tried again, and one more failure opens the breaker again.
SHUT_OUT_FOR_S = 3600.0
# How long a study may be next in its pool and find no room on this worker's GPUs, because trials of others come
# and go there. Then the worker runs nothing else before it, and so takes its turn in the line for their memory.
WAITS_IN_LINE_AFTER_S = 300.0
# How long a study is left to other workers. GPUs are asked again after `look_again`; a quarantine may be lifted.
PASSED_OVER_FOR_S: Mapping[Refusal, float] = {"device": math.inf, "quarantined": 30.0}


class OpenStudies:
    """Opens, keeps and closes studies. ``new_study`` makes one that is not open yet.

    `stop`, `stop_attempt`, `has_checkpoint`, `step` and `waits` are called by side threads, everything else by the
    worker's thread.
    """

    def __init__(
        self,
        storage: WorkerStorage,
        new_study: Callable[[int, PoolStudy], OpenStudy],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._new_study = new_study
        self._clock = clock
        self._open: OrderedDict[int, OpenStudy] = OrderedDict()
        self._unfit: dict[int, tuple[float, str]] = {}
        self._passed_over: dict[int, tuple[float, str]] = {}
        self._without_room_since: dict[int, float] = {}  # of studies that were next in the pool ever since
        self._served: int | None = None
        self._waits: str | None = None

    def pass_over(self, study_id: int, refused: NoTrial) -> None:
        """Leave a study to other workers for a moment, because of a quarantine or this worker's GPUs."""
        until = self._clock() + PASSED_OVER_FOR_S[refused.kind]
        self._passed_over[study_id] = until, self._say(study_id, refused.reason)

    def note_choice(self, chosen: int | None, left_out: Collection[int]) -> None:
        """A study that could have been chosen and was not is no longer next: then it has not been passed over."""
        self._without_room_since = {
            study_id: since
            for study_id, since in self._without_room_since.items()
            if study_id == chosen or study_id in left_out
        }

    def waits_in_line(self, study_id: int, refused: NoTrial) -> bool:
        """Whether a study that found no room has done so for so long that nothing else runs here before it."""
        study = self._open.get(study_id)
        if refused.kind != "device" or study is None or not study.is_in_line:
            self._without_room_since.pop(study_id, None)
            return False
        now = self._clock()
        if now - self._without_room_since.setdefault(study_id, now) < WAITS_IN_LINE_AFTER_S:
            return False
        self.wait_for({study_id: self._say(study_id, refused.reason)})
        return True

    def found_room(self, study_id: int) -> None:
        """A trial of the study has run here."""
        self._without_room_since.pop(study_id, None)

    def shut_out(self, study_id: int, reason: str) -> None:
        """Give up on a study for a long time: its trials fail here, or this worker's part of them does."""
        said = self._say(study_id, reason)
        self._unfit[study_id] = self._clock() + SHUT_OUT_FOR_S, said
        log_event("breaker", f"{said}; this worker goes on with the other studies of the pool", logging.ERROR)
        self._forget(study_id)

    def passed_over(self) -> dict[int, str]:
        """The studies that this worker leaves to others for a moment, with the reasons."""
        now = self._clock()
        self._passed_over = {study_id: found for study_id, found in self._passed_over.items() if found[0] > now}
        return {study_id: reason for study_id, (_, reason) in self._passed_over.items()}

    def wait_for(self, passed_over: Mapping[int, str]) -> None:
        """The worker has to wait, at least for these studies because of itself."""
        self._waits = "; ".join(passed_over.values()) or None

    def look_again(self) -> None:
        """It has waited, or run a trial: its GPUs may have room now."""
        self._passed_over = {id_: found for id_, found in self._passed_over.items() if found[0] < math.inf}

    def waits(self) -> str | None:
        """What keeps this worker alone from trials, for the registry."""
        return None if self._storage.attempt is not None else self._waits

    def unfit(self) -> dict[int, str]:
        """The studies that this worker cannot run, with the reasons."""
        now = self._clock()
        self._unfit = {study_id: found for study_id, found in self._unfit.items() if found[0] > now}
        return {study_id: reason for study_id, (_, reason) in self._unfit.items()}

    def turn_to(self, turn: Turn) -> OpenStudy | None:
        """The study, open, with its current settings; None: this worker cannot run it, which is logged.

        Raises:
            ImportInterrupted: the worker must leave.
        """
        try:
            study = self._find(turn)
            if study is not None:
                study.check_origin()
        except InputError as error:
            if error.__cause__ is not None:  # somebody's own code, whose author has this log alone
                _logger.exception("opening the study failed")
            self._give_up(turn, f"{error.message} (hint: {error.hint})" if error.hint else error.message)
            return None
        except (HpotoolError, ImportInterrupted):
            raise
        except Exception as error:  # of somebody's own sampler or pruner
            _logger.exception("opening the study failed")
            self._give_up(turn, describe_error(error))
            return None
        if study is not None and self._served != study.study_id:
            before = self._open.get(self._served or 0)
            if before is not None:
                before.leave_line()
            self._served = study.study_id
            log_event("study", f"study {study.spec.name}", study=study.spec.name)
        return study

    def stop_attempt(self, attempt_id: str, outcome: Outcome, reason: str, grace: timedelta) -> None:
        """Ask this attempt to stop, whichever study's it is."""
        for study in list(self._open.values()):
            study.runner.stop_attempt(attempt_id, outcome, reason, grace)

    def stop(self, outcome: Outcome, reason: str, grace: timedelta) -> None:
        """Ask whatever attempt runs to stop."""
        attempt = self._storage.attempt
        if attempt is not None:
            self.stop_attempt(attempt.attempt_id, outcome, reason, grace)

    def has_checkpoint(self, attempt: Attempt) -> bool:
        """Whether the attempt has saved something that it could go on from."""
        study = self._open.get(attempt.study_id)
        return study is not None and study.has_checkpoint(attempt.root_number)

    def step(self) -> float:
        """Look after the jobs beside the trials of every open study; return the seconds until the next look."""
        return min([study.step() for study in list(self._open.values())], default=1.0)

    def close(self, has_work_left: Callable[[], bool]) -> None:
        """Close them all; ``has_work_left`` says of the study that was just served whether it goes on."""
        while self._open:
            _, study = self._open.popitem()
            study.close(has_work_left)

    def _say(self, study_id: int, reason: str) -> str:
        study = self._open.get(study_id)
        return reason if study is None else f"{study.spec.name}: {reason}"

    def _give_up(self, turn: Turn, reason: str) -> None:
        self._unfit[turn.study_id] = (self._clock() + UNFIT_FOR_S, reason)
        log_event("unfit", f"this worker cannot run the study: {reason}", logging.ERROR)

    def _find(self, turn: Turn) -> OpenStudy | None:
        study = self._open.get(turn.study_id)
        if study is None or study.version != turn.version:
            study = self._refresh(turn, study)
        if study is not None:
            study.version = turn.version
            self._open.move_to_end(turn.study_id)
        return study

    def _refresh(self, turn: Turn, study: OpenStudy | None) -> OpenStudy | None:
        """The study with the settings that are stored now; None: it was deleted meanwhile."""
        known = read_pool_study(self._storage.run, turn.study_id)
        if known is None:
            self._forget(turn.study_id)
            return None
        if study is not None:
            spec = read_study_data(known.spec)
            if works_alike(study.spec, spec):
                study.go_on_with(spec)
                return study
            self._forget(turn.study_id)
        opened = self._new_study(turn.study_id, known)
        try:
            opened.open()
        except NotFoundError:
            return None
        while len(self._open) >= MOST_OPEN:
            self._forget(next(iter(self._open)))
        self._open[turn.study_id] = opened
        return opened

    def _forget(self, study_id: int) -> None:
        study = self._open.pop(study_id, None)
        if study is not None:
            study.close(lambda: True)
