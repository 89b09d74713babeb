"""Optuna's storage on Optuna's own tables, at a cost that does not grow with the study.

Promises:
    - Optuna's contract: `optuna.testing.pytest_storages.StorageTestCase` passes unchanged; plain Optuna workers
      and the dashboard may read and write the same study at the same time.
    - A process always reads back its own writes. The writes of a running trial are sent with its end, or one
      second after the first of them, or before any write that another process must see.
    - A read only asks for changes. While a trial of this process runs, reads that do not copy (``deepcopy=False``,
      as used by samplers and pruners) are answered from memory that is at most a second old.
    - One connection, without state in its session.
"""

from __future__ import annotations

import copy
import json
import os
import time
import weakref
from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
)
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from hpotool.reporting import HIGHEST_STEP
from hpotool.storage.database.connection import Connection, Parameters, Rows
from hpotool.storage.database.queries import query
from hpotool.storage.database.tables import prepare_tables
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.optuna.decoding import finite_or_none, to_local_time, value_types
from hpotool.storage.optuna.followed_trials import FollowedTrials
from hpotool.storage.optuna.heartbeats import StaleTrialCallback, StoredHeartbeats
from hpotool.storage.optuna.live_trial import LiveTrial
from hpotool.storage.optuna.new_trial import running_trial, template_columns
from hpotool.storage.optuna.study_records import NOT_FOUND, StudyRecords, check_name
from hpotool.storage.optuna.trial_memory import MEMORY_MAY_BE_OLD_S, TrialMemory
from hpotool.storage.optuna.write_buffer import Kind, WriteBuffer, flush_at_exit


class PostgresStorage(BaseStorage, StoredHeartbeats, FollowedTrials):
    """A study's storage in Postgres. Threads may share it; forked children and pickled copies open their own.

    The heartbeat arguments are Optuna's (seconds). ``hides_reevaluations``: whole studies are read without the
    trials beside the search, so that samplers, pruners and "best" do not see them; single ones can still be read.
    """

    def __init__(
        self,
        url: DatabaseUrl,
        *,
        heartbeat_interval: int | None = None,
        grace_period: int | None = None,
        heartbeat_stale_trial_callback: StaleTrialCallback | None = None,
        hides_reevaluations: bool = False,
    ) -> None:
        for name, seconds in (("heartbeat_interval", heartbeat_interval), ("grace_period", grace_period)):
            if seconds is not None and seconds <= 0:
                raise ValueError(f"The value of `{name}` should be a positive integer.")
        self.url = url
        self.hides_reevaluations = hides_reevaluations
        self.heartbeat_interval = heartbeat_interval
        self.grace_period = grace_period
        self.heartbeat_stale_trial_callback = heartbeat_stale_trial_callback
        self._open()
        prepare_tables(self._connection)
        self._open_again_in_children()

    def _open(self) -> None:
        self._connection = self._connect()
        self._writes = WriteBuffer(self._connection)
        self._studies = StudyRecords(self._writes)
        self._memory = TrialMemory(self._writes, hides_reevaluations=self.hides_reevaluations)
        self._values = {}
        self._directions: dict[int, list[StudyDirection]] = {}
        weakref.finalize(self, flush_at_exit(self._writes))

    def _connect(self) -> Connection:
        return Connection(self.url)

    def __getstate__(self) -> dict[str, Any]:
        self._writes.flush()
        heartbeats = ("heartbeat_interval", "grace_period", "heartbeat_stale_trial_callback")
        kept = ("url", "hides_reevaluations", *heartbeats)
        return {name: self.__dict__[name] for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()
        self._open_again_in_children()

    def _open_again_in_children(self) -> None:
        own = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _open_again(own))

    # --- The connection

    def run_with_pending(self, sql: str, params: Parameters = ()) -> Rows:
        """Send all buffered writes, then ``sql``, in one transaction; return the rows of the last statement.

        If this raises, the buffered writes are kept. Raises the errors of `Connection.run`.
        """
        return self._writes.run(sql, params)

    def remove_session(self) -> None:
        """Send the buffered writes. Keeps the connection, because each `Study.optimize` would open a new one."""
        self._writes.flush()

    # --- Studies

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """See BaseStorage."""
        return self._studies.create(directions, study_name)

    def delete_study(self, study_id: int) -> None:
        """See BaseStorage."""
        self._studies.delete(study_id)
        self._memory.forget(study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """See BaseStorage."""
        self._studies.set_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """See BaseStorage."""
        self._studies.set_system_attr(study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        """See BaseStorage."""
        return self._studies.find(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        """See BaseStorage."""
        return self._studies.read(study_id).study_name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """See BaseStorage."""
        return self._studies.read(study_id).directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """See BaseStorage."""
        return self._studies.read(study_id).user_attrs

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """See BaseStorage."""
        return self._studies.read(study_id).system_attrs

    def get_all_studies(self) -> list[FrozenStudy]:
        """See BaseStorage."""
        return self._studies.read_all()

    # --- Trials: life cycle

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """See BaseStorage."""
        if template_trial is not None:
            return self._create_from_template(study_id, template_trial)
        rows = self.run_with_pending(query("create_trial"), {"study_id": study_id})
        if not rows:
            raise KeyError(NOT_FOUND)
        trial_id, number, started = rows[0]
        self.adopt_trial(study_id, running_trial(trial_id, number, to_local_time(started)))
        return int(trial_id)

    def adopt_trial(self, study_id: int, trial: FrozenTrial) -> None:
        """Register that this process runs ``trial``, which is RUNNING in the database with this content.

        Until it ends, its writes are buffered and it is read from memory.
        """
        self._memory.start(study_id, trial)

    def release_trial(
        self,
        trial_id: int,
        state: TrialState | None = None,
        values: list[float] | None = None,
        completed: datetime | None = None,
    ) -> None:
        """Register that this process no longer runs the trial.

        ``state``, ``values`` and ``completed`` (naive local time) are its end in the database, if known; otherwise
        the database is asked when needed.
        """
        self._memory.end(trial_id, state, values, completed)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """See BaseStorage. All pending writes of the trial are part of the same transaction."""
        if state == TrialState.RUNNING:  # it has no values yet
            return self._start_waiting_trial(trial_id)
        numbers = [float(value) for value in values or ()]
        rows = self.run_with_pending(
            query("set_state_and_values"),
            {
                "trial_id": trial_id,
                "state": state.name,
                "finished": state.is_finished(),
                "values": finite_or_none(numbers),
                "value_types": value_types(numbers),
            },
        )
        if not rows:
            raise KeyError(NOT_FOUND)
        before, completed = rows[0]
        if before not in ("RUNNING", "WAITING"):
            self.release_trial(trial_id)
            self._refuse_finished(trial_id)
        self.release_trial(trial_id, state, numbers if values is not None else None, to_local_time(completed))
        return True

    def _start_waiting_trial(self, trial_id: int) -> bool:
        rows = self.run_with_pending(query("start_waiting_trial"), {"trial_id": trial_id, "with_steps": True})
        if not rows:
            raise KeyError(NOT_FOUND)
        *row, started = rows[0]
        trial = self._memory.decoder.trial(row)
        if trial.state.is_finished():
            self._refuse_finished(trial_id)
        if started is None:
            return False
        trial.state = TrialState.RUNNING
        trial._datetime_start = to_local_time(started)
        self.adopt_trial(row[1], trial)
        return True

    def _create_from_template(self, study_id: int, template: FrozenTrial) -> int:
        rows = self.run_with_pending(
            query("create_trial_from_template"), {"study_id": study_id, **template_columns(template)}
        )
        if not rows:
            raise KeyError(NOT_FOUND)
        trial_id = int(rows[0][0])
        if template.state == TrialState.RUNNING:
            self.adopt_trial(study_id, self._memory.read_trial(trial_id)[1])
        self._memory.mark_old(study_id)
        return trial_id

    # --- Trials: writing

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """See BaseStorage."""
        with self._memory.writing(trial_id) as live:
            check_name(param_name)
            known = self._memory.distribution(live.study_id, param_name)
            if known is not None:
                check_distribution_compatibility(known, distribution)
            else:
                self._memory.history(live.study_id).distributions[param_name] = distribution
            if live.has_param(param_name):
                return
            text = distribution_to_json(distribution)
            self._writes.add("params", trial_id, param_name, float(param_value_internal), text)
            live.set_param(param_name, param_value_internal, distribution)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """See BaseStorage."""
        with self._memory.writing(trial_id) as live:
            step, value = int(step), float(intermediate_value)
            if abs(step) > HIGHEST_STEP:
                raise StorageInternalError(f"The step {step} does not fit into 32 bits.")
            self._writes.add("steps", trial_id, step, *finite_or_none([value]), *value_types([value]))
            live.set_step(step, value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See BaseStorage."""
        with self._memory.writing(trial_id) as live:
            live.set_user_attr(key, self._add_attribute("user_attrs", trial_id, key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See BaseStorage."""
        with self._memory.writing(trial_id) as live:
            live.set_system_attr(key, self._add_attribute("system_attrs", trial_id, key, value))

    def _add_attribute(self, kind: Kind, trial_id: int, key: str, value: Any) -> Any:
        check_name(key)
        text = json.dumps(value)
        self._writes.add(kind, trial_id, key, text)
        return json.loads(text)

    # --- Trials: reading

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """See BaseStorage."""
        live = self._running_here(trial_id)
        if live is not None:
            return live.frozen()
        return self._memory.find_finished(trial_id) or self._memory.read_trial(trial_id)[1]

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        """See BaseStorage."""
        live = self._running_here(trial_id)
        return live.system_attrs() if live is not None else self.get_trial(trial_id).system_attrs

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """See BaseStorage."""
        asked = {"study_id": study_id, "number": trial_number}
        rows = self.run_with_pending(query("find_trial"), asked)
        if not rows:
            raise KeyError(f"No trial with trial number {trial_number} exists in study with study_id {study_id}.")
        return int(rows[0][0])

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """See BaseStorage. Intermediate values of finished trials are loaded when they are accessed."""
        history = self._memory.history(study_id)
        wanted = [state for state in TrialState if states is None or state in states]
        only_waiting = wanted == [TrialState.WAITING]
        if only_waiting and not history.is_loaded:
            return self._memory.read_waiting(study_id)
        whole = any(state.is_finished() for state in wanted)
        if deepcopy or only_waiting or (whole and not history.is_whole) or not self._memory.is_fresh(history):
            self._memory.refresh(study_id, whole=whole)
        trials = self._memory.select(study_id, states)
        return copy.deepcopy(trials) if deepcopy else trials

    def get_n_trials(self, study_id: int, state: tuple[TrialState, ...] | TrialState | None = None) -> int:
        """See BaseStorage."""
        if self._memory.history(study_id).is_whole:
            return super().get_n_trials(study_id, state)
        self._studies.read(study_id)
        rows = self.run_with_pending(
            query("count_trials"), {"study_id": study_id, "hides_reevaluations": self.hides_reevaluations}
        )
        counted = tuple(TrialState) if state is None else (state,) if isinstance(state, TrialState) else state
        return sum(count for name, count in rows if TrialState[name] in counted)

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """See BaseStorage."""
        directions = self._directions.get(study_id) or self.get_study_directions(study_id)
        self._directions[study_id] = directions
        if len(directions) > 1:
            raise RuntimeError("Best trial can be obtained only for single-objective optimization.")
        maximize = directions[0] == StudyDirection.MAXIMIZE
        history = self._memory.history(study_id)
        if history.is_loaded:
            self.refresh_for_search(study_id)
            best = self._memory.history(study_id).best(maximize=maximize)
            if best is None:
                raise ValueError(NOT_FOUND)
            return best
        name = "find_best_maximum" if maximize else "find_best_minimum"
        rows = self.run_with_pending(
            query(name), {"study_id": study_id, "hides_reevaluations": self.hides_reevaluations}
        )
        if not rows:
            raise ValueError(NOT_FOUND)
        return self.get_trial(rows[0][0])

    def _running_here(self, trial_id: int) -> LiveTrial | None:
        """The trial, if this process runs it and the database has confirmed it within the last second."""
        live = self._memory.live.get(trial_id)
        if live is None or time.monotonic() - live.verified_at < MEMORY_MAY_BE_OLD_S:
            return live
        asked_at = time.monotonic()
        if self.run_with_pending(query("read_state"), {"trial_id": trial_id}) != [("RUNNING",)]:
            self.release_trial(trial_id)
            return None
        live.verified_at = asked_at
        return live

    def _refuse_finished(self, trial_id: int) -> None:
        number = self.get_trial(trial_id).number
        raise UpdateFinishedTrialError(f"Trial#{number} has already finished and can not be updated.")


def _open_again(reference: weakref.ref[PostgresStorage]) -> None:
    storage = reference()
    if storage is not None:
        storage._open()
