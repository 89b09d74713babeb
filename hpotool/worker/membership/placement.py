"""What follows a failure of a worker's attempts: its host or device goes into quarantine, or its breaker opens."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from hpotool.storage.fleet.attempts import Attempt, Run
from hpotool.storage.fleet.quarantines import (
    FailureEvidence,
    begin_quarantine,
    read_failure_evidence,
    return_burnt,
)
from hpotool.study.rules.quarantine import Guilty, Place, judge_place
from hpotool.study.rules.retry import BreakerOpen, judge_worker
from hpotool.worker.log import log_event


class Placement:
    """Judges one worker, on its host and its devices (UUIDs), in the study of the attempt that failed."""

    def __init__(self, run: Run, worker_id: str, devices: Sequence[str], grace: timedelta) -> None:
        self._run = run
        self._worker_id = worker_id
        self._devices = tuple(devices)
        self._grace = grace

    def judge(self, failed: Attempt, *, has_breaker: bool, has_quarantine: bool) -> BreakerOpen | None:
        """Act on a failure; return why the worker must leave, if it must. One read; a verdict is written.

        In quarantine, it stays, and its next claims are answered with the reason.
        """
        evidence = self._read(failed)
        if evidence.quarantine is None and has_quarantine:
            guilty = judge_place(evidence.host, self._devices, evidence.placed)
            if self._begin(failed.study_id, guilty):
                return None
            if guilty is not None:  # another worker may have begun it since, without knowing of this failure
                evidence = self._read(failed)
        if evidence.quarantine is not None:
            self._return(failed, evidence)
            return None
        return judge_worker(self._worker_id, evidence.ended) if has_breaker else None

    def _read(self, failed: Attempt) -> FailureEvidence:
        return read_failure_evidence(self._run, failed.study_id, self._worker_id)

    def _begin(self, study_id: int, guilty: Guilty | None) -> bool:
        if guilty is None:
            return False
        queued = begin_quarantine(
            self._run,
            study_id,
            guilty.place,
            guilty.reason,
            self._worker_id,
            roots=guilty.roots,
            needs_others_within=self._grace,
        )
        if queued is None:
            return False
        log_event(
            "quarantine",
            f"{guilty.place.name} takes no more trials of this study: {guilty.reason}; handed back: {queued}",
            logging.WARNING,
            place=guilty.place.name,
            requeued=queued,
        )
        return True

    def _return(self, failed: Attempt, evidence: FailureEvidence) -> None:
        """This attempt ran when the quarantine began."""
        here = Place(evidence.host)
        if return_burnt(self._run, failed.study_id, here, [failed.root_number], self._worker_id):
            log_event("requeue", f"trial {failed.number} was handed back: it failed in quarantine")
