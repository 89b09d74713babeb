"""What pruners share that keep tables of a study on `PostgresStorage`, by following its log of finished trials."""

from __future__ import annotations

from typing import Any

from optuna import Study

from hpotool.storage.optuna.postgres import PostgresStorage
from hpotool.storage.optuna.trial_memory import TrialLog


class Following:
    """Keeps tables of one study's trials, which are not pickled with it.

    ``held_against`` says what the last trial that was pruned was compared with; None after another verdict.
    """

    held_against: str | None = None
    _log: TrialLog | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_log", "_steps", "_rungs")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def _follow(self, study: Study, *, with_steps: bool) -> tuple[PostgresStorage, TrialLog, bool]:
        storage = study._storage
        assert isinstance(storage, PostgresStorage)
        log = storage.follow(study._study_id, with_steps=with_steps)
        is_new = self._log is None or self._log.finished is not log.finished
        self._log = log
        return storage, log, is_new
