"""Reads what pages show, with the functions of the commands. Many open pages of a study cost as much as one."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from hpotool.analysis.insights.gain import GainFollower
from hpotool.analysis.status import StudyStatus, read_status
from hpotool.errors import NotFoundError
from hpotool.storage.control.creation import read_spec_if_any
from hpotool.storage.control.studies import has_table
from hpotool.storage.database.connection import Connection
from hpotool.storage.open import open_storage
from hpotool.web.exchange import MOUNT

if TYPE_CHECKING:
    from optuna import Study

    from hpotool.storage.optuna.postgres import PostgresStorage
    from hpotool.study.spec import StudySpec

_FRESH_S = 1.0  # how long a status counts as present
_HIGHEST_ID = 2**31 - 1


class Source:
    """The database behind the pages. Threads share it.

    Args:
        storage: optuna-dashboard's, whose memory of trials is shared.
    """

    def __init__(self, storage: PostgresStorage) -> None:
        self.connection = Connection(storage.url)
        self._search = storage
        self._everything: PostgresStorage | None = None
        self._lock = threading.Lock()
        self._locks: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        self._known: dict[int, tuple[float, StudyStatus]] = {}
        self._followers: dict[int, GainFollower] = {}

    def name_of(self, study_id: int) -> str:
        """Return the study's name.

        Raises:
            NotFoundError: there is no such study.
        """
        rows = (
            self.connection.run("SELECT study_name FROM studies WHERE study_id = %s", (study_id,))
            if study_id <= _HIGHEST_ID
            else []
        )
        if not rows:
            raise NotFoundError(f"there is no study {study_id}", f"{MOUNT}/ lists all studies")
        return str(rows[0][0])

    def study(self, study_id: int, *, with_reevaluations: bool = False) -> Study:
        """Return the study to read from; ``with_reevaluations``: with those beside its search.

        Raises:
            NotFoundError: there is no such study.
        """
        import optuna

        storage = self._storage_of_everything() if with_reevaluations else self._search
        return optuna.load_study(study_name=self.name_of(study_id), storage=storage)

    def status(self, study_id: int) -> StudyStatus:
        """Return what `hpotool status` says of the study, at most a second old.

        Raises:
            NotFoundError: there is no such study.
        """
        with self._lock:
            own = self._locks[study_id]
        with own:  # of several who ask at once, one reads
            found = self._known.get(study_id)
            if found is None or time.monotonic() - found[0] > _FRESH_S:
                study = self.study(study_id)
                found = time.monotonic(), read_status(self.connection, study, follower=self._follower(study_id))
                self._known[study_id] = found
            return found[1]

    def forget(self, study_id: int) -> None:
        """Forget the study's status, because somebody has just changed it."""
        self._known.pop(study_id, None)

    def has(self, table: str) -> bool:
        """Whether the database has one of hpotool's tables: one that only plain Optuna has used has none."""
        return has_table(self.connection, f"hpotool.{table}")

    def _follower(self, study_id: int) -> GainFollower:
        def read_spec() -> StudySpec | None:
            return read_spec_if_any(self.connection, self.name_of(study_id))

        return self._followers.setdefault(study_id, GainFollower(read_spec))

    def _storage_of_everything(self) -> PostgresStorage:
        with self._lock:
            if self._everything is None:
                self._everything = open_storage(self._search.url.sqlalchemy, hides_reevaluations=False)
            return self._everything
