"""Looks at a study now and then, and sends what there is to tell: each notice once to each address.

A notice is claimed in the database before it is sent, and noted right after, address by address. One that was not
taken is tried again, later each time. Whoever is killed between sending and noting has it sent once more: a notice
that came twice is better than none.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Literal

from hpotool.errors import DatabaseUnreachableError
from hpotool.faults import fault_point
from hpotool.storage.fleet.attempts import Run
from hpotool.storage.tracking.exported import ExportedStudy, ExportReader
from hpotool.storage.tracking.jobs import Job
from hpotool.storage.tracking.notices import ClaimedNotice, claim_notice, count_unsent, settle_notice
from hpotool.tracking.notify.addresses import describe_address
from hpotool.tracking.notify.look import look
from hpotool.tracking.notify.send import Sender, fingerprint

JOB_NAME = "notify"
Until = Literal["sent", "over", "told"]  # one look; the study is over and all was sent; somebody says so

_FIRST_AGAIN, _LONGEST_AGAIN = timedelta(seconds=10), timedelta(hours=1)
_logger = logging.getLogger(__name__)


class Notifier:
    """Tells people about one study while it holds the job."""

    def __init__(
        self,
        run: Run,
        job: Job,
        sender: Sender,
        grace: timedelta,
        leaving: threading.Event,
        is_lost: Callable[[], bool] = lambda: False,
        look_every_s: float = 5.0,
    ) -> None:
        self._run = run
        self._job = job
        self._sender = sender
        self._grace = grace
        self._leaving = leaving
        self._is_lost = is_lost
        self._look_every_s = look_every_s
        self._reader = ExportReader(run, job.study_id)

    def watch(self, until: Until, *, is_workers_last_look: bool = False) -> None:
        """Look and tell until there is a reason to leave.

        The last look of a worker that leaves, or of whoever is told to, tells at once that nobody works any more.
        """
        while not self._is_lost():
            is_leaving = self._leaving.is_set() or is_workers_last_look
            with suppress(DatabaseUnreachableError):
                study = self._reader.read_study()
                if study is None:
                    return
                is_told = self._look_and_send(study, is_leaving=is_leaving)
                if until == "over" and study.is_over and is_told:
                    return
            if is_leaving or until == "sent":
                return
            self._leaving.wait(self._look_every_s)

    def _look_and_send(self, study: ExportedStudy, *, is_leaving: bool) -> bool:
        """Look once, and send what is due; whether nothing is left."""
        look(self._run, self._job, study, self._grace, is_leaving=is_leaving)
        while (claimed := claim_notice(self._run, self._job, 2 * self._grace)) is not None:
            fault_point("notify.claimed")
            self._send(claimed)
        return count_unsent(self._run, self._job.study_id) == 0

    def _send(self, notice: ClaimedNotice) -> None:
        sent_to, refused = list(notice.sent_to), []
        for address in self._sender.addresses:
            mark = fingerprint(address, notice.salt)
            if mark in sent_to:
                continue
            if self._sender.send(address, notice.title, notice.body):
                sent_to.append(mark)
                # Noted at once, and for as long as a claim: a kill at the next address repeats nothing.
                settle_notice(self._run, self._job, notice, sent_to, is_sent=False, again_in=2 * self._grace)
            else:
                refused.append(describe_address(address))
        again_in = min(_FIRST_AGAIN * 2 ** min(notice.tries - 1, 20), _LONGEST_AGAIN)
        trouble = f"{', '.join(refused)} did not accept it" if refused else None
        if trouble and notice.tries == 1:
            _logger.warning("%s: %s; it is tried again", notice.title, trouble)
        settle_notice(
            self._run, self._job, notice, sent_to, is_sent=not refused, trouble=trouble, again_in=again_in
        )
