"""A study that a pool's worker has open: its process with the imported objective, its sampler, its history.

Opening one takes as long as the import of its objective, so a worker keeps the last few open between their turns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from hpotool.storage.fleet.attempts import NoTrial
from hpotool.storage.pools.turns import PoolStudy
from hpotool.study.file.reader import read_study_data
from hpotool.study.spec import BudgetSpec, StudySpec
from hpotool.worker.attempt.runner import AttemptRunner
from hpotool.worker.loop import Departure
from hpotool.worker.origin import refusal
from hpotool.worker.pool.pool_membership import PoolMembership
from hpotool.worker.serving.context import WorkerContext
from hpotool.worker.serving.served_study import ServedStudy


def works_alike(one: StudySpec, other: StudySpec) -> bool:
    """Whether a worker that has ``one`` open can go on with ``other``: they differ in what only claims read."""
    return _without_places(one) == _without_places(other)


def _without_places(spec: StudySpec) -> StudySpec:
    return replace(
        spec, pool=None, priority=0, weight=1.0, max_running=None, owner=None, preempt=False,
        budget=BudgetSpec(prices=spec.budget.prices), description=None, tags={},
    )  # fmt: skip


class OpenStudy:
    """One study on this worker, from `open` to `close`; the worker's thread takes its turns."""

    def __init__(self, worker: WorkerContext, study_id: int, known: PoolStudy, membership: PoolMembership) -> None:
        """Starts no process yet.

        Raises:
            InputError: this worker cannot or may not run the study, or a trial takes more memory than its GPU has.
            StudyFileError: a newer hpotool has stored settings that this one does not understand.
        """
        self.study_id = study_id
        self.version = -1  # of its place in the pool, when its settings were read
        self.refused: NoTrial | None = None  # why its last turn found nothing to claim
        self._worker = worker
        self._membership = membership
        self._served = ServedStudy(worker, study_id, read_study_data(known.spec), known.versions)

    @property
    def spec(self) -> StudySpec:
        """The study's settings, as of the last turn."""
        return self._served.spec

    @property
    def runner(self) -> AttemptRunner:
        """What runs its attempts."""
        return self._served.runner

    def open(self) -> None:
        """Import the objective.

        Raises:
            InputError: that is not possible.
            NotFoundError: the study was deleted meanwhile.
            ImportInterrupted: the worker must leave.
        """
        try:
            self._served.start()
        except BaseException:
            self._served.close()
            raise
        self._loop = self._served.new_loop(self._membership, if_idle=self._note_refusal)

    def go_on_with(self, spec: StudySpec) -> None:
        """Take over settings that `works_alike`."""
        self._served.go_on_with(spec)

    def check_origin(self) -> None:
        """Look whether code or data have changed since its last turn.

        Raises:
            InputError: they differ from the study's, which is strict.
        """
        if self._served.origin.before_claim() is not None:
            raise refusal(self._served.origin.differences)

    def step(self) -> float:
        """Look after what runs beside its trials; return the seconds until the next look."""
        return min((step() for step in self._served.steps.values()), default=math.inf)

    def take_turn(self) -> Departure | None:
        """Claim one trial and run it to its end; return why the worker should leave, if it should.

        Raises:
            GaveUpError: the database outage lasted longer than this worker may wait.
        """
        self.refused = None
        storage = self._worker.storage
        storage.turn_to(self.spec.retry)
        storage.origin = self._served.origin.hashes
        self._serve()
        self._worker.stopping.listener = self._loop.stop_attempt_if_asked
        self._loop.stop_attempt_if_asked()
        return self._loop.step()

    def has_checkpoint(self, root_number: int) -> bool:
        """Whether a lineage could go on from a checkpoint."""
        return self._served.checkpoints.has_checkpoint(root_number)

    @property
    def is_in_line(self) -> bool:
        """Whether its next trial waits only for the memory of other trials on the worker's GPUs."""
        return self._served.gate.is_in_line

    def leave_line(self) -> None:
        """Let others go first on the GPUs: the worker turns to another study."""
        self._served.gate.close()

    def close(self, has_work_left: Callable[[], bool]) -> None:
        """End its processes; jobs beside the trials may send the rest if the study is over."""
        if self._served.side.steps:
            self._serve()
        self._served.finish(has_work_left)
        self._served.close()

    def _serve(self) -> None:
        self._membership.serve(self.study_id, self.spec.retry, self._served.monitor)

    def _note_refusal(self, answer: NoTrial) -> None:
        if answer.kind != "done" or not self._served.order_more():
            self.refused = answer
