"""Every trial with its attempts, and one trial in full."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpotool.analysis.results import (
    TrialResult,
    add_cells,
    duration_s,
    json_data,
    metric_names,
    read_result,
    utc,
)
from hpotool.errors import NotFoundError
from hpotool.storage.fleet.reuse import REUSED
from hpotool.study.branch import BRANCH_ATTRIBUTE, Branch
from hpotool.study.labels import TAGS_ATTRIBUTE, join_note, note_prefix, tags_of
from hpotool.study.phase import PHASE_ATTRIBUTE, Reevaluation
from hpotool.study.rules.replicates import REPLICATE_OF

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

Attempts = Mapping[int, Sequence[Mapping[str, Any]]]  # trial number -> its attempts, oldest first

_OWN_COLUMNS = (
    *("trial", "from", "state", "outcome", "attempts", "duration_s", "reason", "replicate_of", "retry"),
    *("phase", "point", "replicate", "note"),
)
_PRIVATE_ATTRIBUTES = (
    "constraints",
    "tpe:",
    "fixed_params",
    BRANCH_ATTRIBUTE,
    PHASE_ATTRIBUTE,
    TAGS_ATTRIBUTE,
    REUSED,
)


@dataclass(frozen=True)
class TrialRecord:
    """One trial and its history.

    Attributes:
        outcome: how its last attempt ended; ``None`` if it has not ended, or plain Optuna ran and failed it.
        duration_s: from its start to its end; ``None`` if it has not ended.
        attempts: ``{"worker", "host", "slot", "outcome", "reason", "duration_s"}`` each.
        replicate_of: the number of the first trial of its point, in a study with replicates.
        source: the number of the trial whose checkpoint it started from; ``None`` if it started from scratch.
        lineage: the numbers of the trials that it is a retry of, oldest first.
        reevaluation: set for a trial beside the search.
        tags: the tags that people gave it.
        note: the note on it, in Markdown; empty without one.
        reused: ``{"study", "trial"}``: where the trial ran whose result this one has.
    """

    result: TrialResult
    state: str
    outcome: str | None
    duration_s: float | None
    attempts: tuple[Mapping[str, Any], ...]
    replicate_of: int | None = None
    source: int | None = None
    lineage: tuple[int, ...] = ()
    reevaluation: Reevaluation | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    reused: Mapping[str, Any] | None = None

    @property
    def reason(self) -> str | None:
        """Why its last attempt ended in this way, as one line; ``None`` if there is no reason."""
        return " ".join(str(self.attempts[-1].get("reason") or "").split()) or None if self.attempts else None

    def as_data(self) -> dict[str, Any]:
        """Return the trial as JSON data, in the shape of ``hpotool trials``."""
        return {
            "number": self.result.number,
            "state": self.state,
            "outcome": self.outcome,
            "values": json_data(self.result.values),
            "params": json_data(self.result.params),
            "duration_s": self.duration_s,
            "attempts": json_data(self.attempts),
            **self._replicate(),
            **self._phase(),
            **({"reused": dict(self.reused)} if self.reused else {}),
            "from": self.source,
            **({"tags": dict(self.tags)} if self.tags else {}),
            **({"note": self.note} if self.note else {}),
        }

    def as_row(self) -> dict[str, Any]:
        """Return one flat line of a table."""
        row = {
            "trial": self.result.number,
            **({} if self.source is None else {"from": self.source}),
            **self._phase(),
            "state": self.state,
            "outcome": self.outcome,
        }
        add_cells(row, "value", self.result.values, _OWN_COLUMNS)
        row |= {"attempts": len(self.attempts), "duration_s": self.duration_s, "reason": self.reason}
        row |= self._replicate()
        add_cells(row, "param", self.result.params, _OWN_COLUMNS)
        add_cells(row, "constraint", self.result.constraints, _OWN_COLUMNS)
        add_cells(row, "tag", {f"tag.{key}": value for key, value in self.tags.items()})
        return row | ({"note": " ".join(self.note.split())} if self.note else {})

    def _phase(self) -> dict[str, Any]:
        reevaluation = self.reevaluation
        if reevaluation is None:
            return {}
        return {"phase": reevaluation.phase, "point": reevaluation.point, "replicate": reevaluation.replicate}

    def _replicate(self) -> dict[str, int]:
        return {} if self.replicate_of is None else {"replicate_of": self.replicate_of}


@dataclass(frozen=True)
class TrialDetails:
    """Everything that is stored about one trial.

    Attributes:
        reports: intermediate values by step.
        lineage: numbers of the trials that this one is a retry of, oldest first.
        branch: the trial whose checkpoint it started from, in a study with tiers or a population.
        ancestry: the numbers of that trial, of its own source, and so on to a trial that started from scratch.
    """

    record: TrialRecord
    started: str | None
    ended: str | None
    distributions: Mapping[str, str]
    reports: Mapping[int, float]
    user_attributes: Mapping[str, Any]
    system_attributes: Mapping[str, Any]
    lineage: tuple[int, ...]
    branch: Branch | None
    ancestry: tuple[int, ...]

    def as_data(self) -> dict[str, Any]:
        """Return the trial as JSON data, a superset of that of ``hpotool trials``."""
        return {
            **self.record.as_data(),
            "constraints": json_data(self.record.result.constraints),
            "started": self.started,
            "ended": self.ended,
            "distributions": dict(self.distributions),
            "reports": json_data(self.reports),
            "user_attributes": json_data(self.user_attributes),
            "system_attributes": json_data(self.system_attributes),
            "lineage": list(self.lineage),
            "branch": json_data(self.branch.to_attribute()) if self.branch else None,
            "ancestry": list(self.ancestry),
        }


def list_trials(
    study: Study,
    attempts: Attempts | None = None,
    states: Sequence[str] = (),
    numbers: Container[int] | None = None,
) -> tuple[TrialRecord, ...]:
    """Return the trials in order of their numbers: all of them, or those in some states, or with some numbers."""
    from optuna.trial import TrialState

    wanted = tuple(TrialState[state] for state in states) or None
    names, notes = metric_names(study), study_attributes(study)
    return tuple(
        _record(trial, names, attempts or {}, notes)
        for trial in study.get_trials(deepcopy=False, states=wanted)
        if numbers is None or trial.number in numbers
    )


def describe_trial(study: Study, number: int, attempts: Attempts | None = None) -> TrialDetails:
    """Return everything about one trial.

    Raises:
        NotFoundError: the study has no trial of that number.
    """
    trials = study.get_trials(deepcopy=False)
    trial = next((trial for trial in trials if trial.number == number), None)
    if trial is None:
        has = f"its trials are 0 to {len(trials) - 1}" if trials else "it has no trials yet"
        raise NotFoundError(f"study {study.study_name!r} has no trial {number}", has)
    return TrialDetails(
        record=_record(trial, metric_names(study), attempts or {}, study_attributes(study)),
        started=utc(trial.datetime_start),
        ended=utc(trial.datetime_complete),
        distributions={name: str(distribution) for name, distribution in trial.distributions.items()},
        reports=dict(sorted(trial.intermediate_values.items())),
        user_attributes=dict(trial.user_attrs),
        system_attributes={
            key: value for key, value in trial.system_attrs.items() if not key.startswith(_PRIVATE_ATTRIBUTES)
        },
        lineage=_lineage(trial),
        branch=Branch.of(trial.system_attrs),
        ancestry=_ancestry(trial, {other.number: other for other in trials}),
    )


def study_attributes(study: Study) -> Mapping[str, Any]:
    """Return the study's system attributes, with the notes on it and on its trials."""
    return study._storage.get_study_system_attrs(study._study_id)


def _ancestry(trial: FrozenTrial, trials: Mapping[int, FrozenTrial]) -> tuple[int, ...]:
    found: list[int] = []
    branch = Branch.of(trial.system_attrs)
    # A study from elsewhere may have only some of its trials, with other numbers.
    while branch is not None and branch.source in trials and branch.source not in found:
        found.append(branch.source)
        branch = Branch.of(trials[branch.source].system_attrs)
    return tuple(found)


def _record(
    trial: FrozenTrial, names: tuple[str, ...], attempts: Attempts, notes: Mapping[str, Any]
) -> TrialRecord:
    own = tuple(attempts.get(trial.number, ()))
    branch = Branch.of(trial.system_attrs)
    return TrialRecord(
        result=read_result(trial, names),
        state=trial.state.name,
        outcome=own[-1]["outcome"] if own else outcome_of_state(trial.state.name),
        duration_s=duration_s(trial),
        attempts=own,
        replicate_of=trial.user_attrs.get(REPLICATE_OF),
        source=branch.source if branch else None,
        lineage=_lineage(trial),
        reevaluation=Reevaluation.of(trial.system_attrs),
        tags=tags_of(trial.system_attrs),
        note=join_note(notes, note_prefix(trial._trial_id)),
        reused=trial.system_attrs.get(REUSED),
    )


def _lineage(trial: FrozenTrial) -> tuple[int, ...]:
    return tuple(trial.system_attrs.get("retry_history", ()))


def outcome_of_state(state: str) -> str | None:
    """Return the outcome of a trial that plain Optuna ran, which records neither attempts nor reasons."""
    return {"COMPLETE": "complete", "PRUNED": "pruned"}.get(state)
