"""Optuna's own heartbeats, for scripts that ask for them; hpotool's workers do not use them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from optuna import Study
from optuna.logging import get_logger
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.trial import FrozenTrial

from hpotool.storage.database.connection import Parameters, Rows, TransientDatabaseError
from hpotool.storage.database.queries import query

StaleTrialCallback = Callable[[Study, FrozenTrial], None]

_logger = get_logger(__name__)


class StoredHeartbeats(BaseHeartbeat):
    """A storage's heartbeats in Optuna's table, and the trials whose heartbeat is old."""

    heartbeat_interval: int | None  # in seconds, as in Optuna's RDBStorage; so are the next two
    grace_period: int | None
    heartbeat_stale_trial_callback: StaleTrialCallback | None

    @abstractmethod
    def run_with_pending(self, sql: str, params: Parameters = ()) -> Rows:
        """Run one statement; return its rows."""

    def record_heartbeat(self, trial_id: int) -> None:
        """See BaseHeartbeat. A heartbeat that fails is skipped, because an exception would end Optuna's thread."""
        try:
            self.run_with_pending(query("record_heartbeat"), {"trial_id": trial_id})
        except TransientDatabaseError as error:
            _logger.warning("A heartbeat of trial %d was skipped: %s", trial_id, error)

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        assert self.heartbeat_interval is not None
        grace_s = self.grace_period or 2 * self.heartbeat_interval
        asked = {"study_id": study_id, "grace_s": grace_s}
        return [row[0] for row in self.run_with_pending(query("find_stale_trials"), asked)]

    def get_heartbeat_interval(self) -> int | None:
        """See BaseHeartbeat."""
        return self.heartbeat_interval

    def get_heartbeat_stale_trial_callback(self) -> StaleTrialCallback | None:
        """See BaseHeartbeat."""
        return self.heartbeat_stale_trial_callback
