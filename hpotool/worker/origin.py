"""What this worker's attempts come from: recorded before the first claim, and again when data or code change.

A worker with other data or code than the study's says so: in its log, with an event, in `workers` and `status`. A
strict study takes no such worker; one that is already at work leaves before its next claim.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from hpotool.errors import EXIT_WRONG_INPUT, InputError
from hpotool.origins.origin import OriginWatch
from hpotool.storage.fleet.origins import OriginHashes, note_origin, record_origin, refuse_origin
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.study.origins.differences import say_other_code, say_other_data
from hpotool.study.spec import StudySpec
from hpotool.worker.log import log_event
from hpotool.worker.loop import Departure


def refusal(differences: Sequence[str]) -> InputError:
    """Why a strict study takes no worker that differs in this way."""
    return InputError(
        "\n".join(
            [
                "this worker differs from the state in which the study was created, and the study is strict",
                *differences,
            ]
        ),
        "bring this machine to the same state, or allow this: hpotool create-study FILE --set strict=false",
    )


class WorkerOrigin:
    """Keeps the origin of a worker's attempts up to date. Used by the worker's main thread."""

    def __init__(self, storage: WorkerStorage, study_id: int, spec: StudySpec, watch: OriginWatch) -> None:
        """Records what there is, which a study that knows no code or data takes for its own."""
        self._storage = storage
        self._study_id = study_id
        self._spec = spec
        self._watch = watch
        self._is_noted = False
        self.differences = self._record()
        self._say()

    @property
    def hashes(self) -> OriginHashes:
        """What the next attempt of this study comes from."""
        return OriginHashes.of(self._watch.origin)

    def check(self) -> None:
        """Check that the study takes this worker.

        Raises:
            InputError: it is strict, and code or data differ; that is in its log, too.
        """
        if not (self.differences and self._spec.strict):
            return
        worker_id = self._storage.worker.worker_id
        refuse_origin(self._storage.run, self._study_id, worker_id, "; ".join(self.differences))
        raise refusal(self.differences)

    def before_claim(self) -> Departure | None:
        """Look whether anything has changed since the last trial; return why to leave, if the study is strict.

        The first call notes the origin with the registered worker. Later ones write nothing while nothing changes.
        """
        if self._watch.has_changed():
            log_event("origin", "data or code has changed on this machine since the last trial", logging.WARNING)
            self.differences = self._record()
            self._say()
        elif self._is_noted:
            return None
        self._is_noted = True
        worker_id, environment = self._storage.worker.worker_id, self._watch.origin.environment.hash
        note_origin(self._storage.run, worker_id, environment, "; ".join(self.differences) or None)
        if self.differences and self._spec.strict:
            reason = f"the study is strict, and {'; '.join(self.differences)}"
            return Departure(reason, EXIT_WRONG_INPUT)
        return None

    def _record(self) -> list[str]:
        origin = self._watch.origin
        study = record_origin(self._storage.run, self._study_id, origin.parts)
        self._storage.origin = OriginHashes.of(origin)
        data = {} if origin.data is None else origin.data.content
        found = say_other_data(study.get("data", {}), data) + say_other_code(
            study.get("code", {}), origin.code.content
        )
        missing = [] if origin.data is None else origin.data.missing
        return found + [
            f"{path}: {data[path]['trouble']}" for path in missing if path not in study.get("data", {})
        ]

    def _say(self) -> None:
        for difference in self.differences:
            log_event("origin", f"differs from the study: {difference}", logging.WARNING)
