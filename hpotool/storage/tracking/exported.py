"""A study and its trials as exporters send them, read at a cost that follows what is still to be sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from optuna.trial import FrozenTrial

from hpotool.storage.control.finals import ARTIFACTS
from hpotool.storage.control.studies import default_metric_names
from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import Run
from hpotool.storage.fleet.origins import OriginSummaries
from hpotool.storage.fleet.reuse import REUSED
from hpotool.storage.optuna.decoding import TrialDecoder
from hpotool.storage.optuna.stored_trial import NO_STEPS, StepValues, StoredTrial
from hpotool.storage.tracking.jobs import Arrived
from hpotool.study.branch import Branch
from hpotool.study.file.reader import read_study_data
from hpotool.study.labels import join_stored_note, note_prefix, tags_of
from hpotool.study.outcome import Outcome
from hpotool.study.phase import Reevaluation
from hpotool.study.rules.budget import total_cost
from hpotool.study.spec import StudySpec

REPORTS_ATTRIBUTE = "hpotool:reports:"  # what a trial reported of metrics beside the first: {step: value}
_MOST_RUNNING = 2000  # trials that are looked at while they run

Series = Mapping[int, float]  # values by step


@dataclass(frozen=True)
class ExportedStudy:
    """A study: what it is, and where it stands. ``metrics`` are its names with minimize or maximize."""

    name: str
    state: str
    reason: str
    spec: StudySpec | None
    budget_trials: int | None
    created: datetime
    changed_s: float
    metrics: Mapping[str, str]
    finished: int
    running: int
    waiting: int
    failed: int
    note: str = ""
    has_open_apart: bool = False  # replicates of `confirm` or a final training that run or wait

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes, unless somebody says so: done or stopped, and nothing runs."""
        return self.state in ("done", "stopped") and self.running == 0 and not self.has_open_apart


@dataclass(frozen=True)
class ExportedTrial:
    """A trial: one attempt of its lineage, as it stands now.

    Attributes:
        values: by metric; empty while it has none.
        steps: what it reported, by metric; in the order in which it did.
        violations: by constraint; above zero is outside.
        attempts: ``{"worker", "host", "slot", "outcome", "reason", "duration_s", "gpu"}`` each, with the hashes of
            what it came from: ``{"code", "data", "environment"}``.
        lineage: the numbers of the trials that it is a retry of, the first one first.
        source: the number of the trial whose checkpoint it began with.
        cost: by the prices of the study's budget; None without any.
        reevaluation: what it is for, where that is not the search.
        kept: what a final training noted of the files that it kept.
        tags, note: what people said of it.
        origin: what its last attempt came from, in a few words; not the environment, if the result was reused.
        reused: ``{"study", "trial"}`` whose result it has, because they were equal.
    """

    number: int
    state: str
    started: datetime | None
    ended: datetime | None
    params: Mapping[str, Any]
    values: Mapping[str, float] = field(default_factory=dict)
    steps: Mapping[str, Series] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    violations: Mapping[str, float] = field(default_factory=dict)
    attempts: Sequence[Mapping[str, Any]] = ()
    lineage: tuple[int, ...] = ()
    source: int | None = None
    cost: float | None = None
    reevaluation: Reevaluation | None = None
    kept: Mapping[str, Any] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    origin: Mapping[str, Any] = field(default_factory=dict)
    reused: Mapping[str, Any] | None = None

    @property
    def outcome(self) -> str | None:
        """How it ended; None while it has not, or where plain Optuna ran and failed it."""
        if self.attempts and self.attempts[-1]["outcome"]:
            return str(self.attempts[-1]["outcome"])
        return {"COMPLETE": Outcome.COMPLETE.value, "PRUNED": Outcome.PRUNED.value}.get(self.state)

    @property
    def is_finished(self) -> bool:
        """Whether nothing of it changes any more."""
        return self.state not in ("RUNNING", "WAITING")


class ExportReader:
    """Reads one study's trials for an exporter."""

    def __init__(self, run: Run, study_id: int) -> None:
        self._run = run
        self._study_id = study_id
        self._decoder = TrialDecoder(_no_more_steps)
        self._origins = OriginSummaries(run)

    def read_study(self) -> ExportedStudy | None:
        """The study; None where it was deleted."""
        rows = self._run(query("study_to_export"), {"study_id": self._study_id})
        return _study(rows[0]) if rows else None

    def read_finished(self, study: ExportedStudy, arrived: Arrived, limit: int) -> list[ExportedTrial]:
        """The next finished trials that have not arrived, by number."""
        parameters = {"below": arrived.below, "beyond": sorted(arrived.beyond), "limit": limit}
        return self._read("finished_to_export", study, parameters)

    def read_running(self, study: ExportedStudy) -> list[ExportedTrial]:
        """The trials that run now, by number."""
        return self._read("running_to_export", study, {"limit": _MOST_RUNNING})

    def _read(self, name: str, study: ExportedStudy, parameters: Mapping[str, Any]) -> list[ExportedTrial]:
        rows = self._run(query(name), {"study_id": self._study_id, "with_steps": True, **parameters})
        found = [_trial(self._decoder.trial(row[:-2]), row[4:6], study, row[-2], row[-1] or ()) for row in rows]
        self._origins.read(trial.attempts[-1] for trial in found if trial.attempts)
        return [
            replace(trial, origin=self._origins.of(trial.attempts[-1], trial.reused)) if trial.attempts else trial
            for trial in found
        ]


def _study(row: Sequence[Any]) -> ExportedStudy:
    name, state, reason, data, budget_trials, created_s, changed_s, directions, names, note, *counts = row
    finished, running, waiting, failed, running_replicates, waits_apart = counts
    metrics = json.loads(names) if names else default_metric_names(len(directions or ()))
    if state == "running" and running == 0 and budget_trials is not None and finished >= budget_trials:
        state, reason = "done", f"{finished} of {budget_trials} trials are finished"
    return ExportedStudy(
        name,
        state,
        reason,
        None if data is None else read_study_data(data),
        budget_trials,
        datetime.fromtimestamp(created_s, timezone.utc),
        changed_s,
        dict(zip(metrics, (direction.lower() for direction in directions or ()), strict=False)),
        finished,
        running,
        waiting,
        failed,
        join_stored_note(note, note_prefix(None)),
        running_replicates > 0 or (waits_apart and state != "stopped"),  # a stopped study begins nothing any more
    )


def _trial(
    trial: FrozenTrial,
    times: Sequence[datetime | None],
    study: ExportedStudy,
    note: Mapping[str, str] | None,
    attempts: Sequence[Mapping[str, Any]],
) -> ExportedTrial:
    started, ended = (each and each.replace(tzinfo=timezone.utc) for each in times)
    system = trial.system_attrs
    branch = Branch.of(system)
    first = next(iter(study.metrics), "value")
    return ExportedTrial(
        number=trial.number,
        state=trial.state.name,
        started=started,
        ended=ended,
        params=dict(trial.params),
        values=dict(zip(study.metrics, trial.values or (), strict=False)),
        steps=_steps(study.spec, first, dict(trial.intermediate_values), system),
        attributes=dict(trial.user_attrs),
        violations=dict(trial.constraints or {}),
        attempts=attempts,
        lineage=tuple(system.get("retry_history", ())),
        source=branch.source if branch else None,
        cost=_cost(study.spec, attempts),
        reevaluation=Reevaluation.of(system),
        kept=system.get(ARTIFACTS),
        tags=tags_of(system),
        note=join_stored_note(note, note_prefix(trial._trial_id)),
        reused=system.get(REUSED),
    )


def _steps(spec: StudySpec | None, first: str, reported: Series, system: Mapping[str, Any]) -> dict[str, Series]:
    """What a trial reported: what the pruner judges are Optuna's own intermediate values."""
    judged = (spec.pruner.metric if spec else None) or first
    series = {judged: reported} if reported else {}
    for key, values in system.items():
        if key.startswith(REPORTS_ATTRIBUTE) and isinstance(values, dict):
            series[key.removeprefix(REPORTS_ATTRIBUTE)] = {int(step): value for step, value in values.items()}
    return series


def _cost(spec: StudySpec | None, attempts: Sequence[Mapping[str, Any]]) -> float | None:
    if spec is None or not spec.budget.prices:
        return None
    hours: dict[str, float] = {}
    for attempt in attempts:
        hours[attempt["slot"]] = hours.get(attempt["slot"], 0.0) + attempt["duration_s"] / 3600
    return total_cost(hours, spec.budget.prices)


def _no_more_steps(_: StoredTrial) -> StepValues:
    """All steps come with the trial here."""
    return NO_STEPS
