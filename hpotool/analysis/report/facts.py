"""All that a report tells of one study, read from the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpotool.analysis.compare.reading import read_stored, with_origin
from hpotool.analysis.compare.sides import Side, make_side
from hpotool.analysis.description import describe_study
from hpotool.analysis.importance import Importance, explain_failures, find_importance
from hpotool.analysis.origins.lineage import Lineage, read_lineage
from hpotool.analysis.results import metric_names
from hpotool.analysis.status import StudyStatus, read_status
from hpotool.analysis.trials import Attempts
from hpotool.errors import InputError
from hpotool.storage.control.creation import read_spec_if_any
from hpotool.storage.control.keeping import read_note
from hpotool.storage.control.studies import list_attempts
from hpotool.storage.database.connection import Connection
from hpotool.study.file.resolved import to_document

if TYPE_CHECKING:
    from optuna import Study

    from hpotool.study.spec import StudySpec

_NOT_OF_A_FILE = ("search", "state", "workers")


@dataclass(frozen=True)
class StudyFacts:
    """One study.

    Attributes:
        status: what `hpotool status` says.
        sides: of each metric, the best point and the cost.
        importance: of each metric and of failures, where the trials can tell; else why they cannot.
        file: the resolved study file; None of a study of plain Optuna.
        lineage: the code, data and environment that its attempts come from.
        note: what people noted about it.
    """

    study: Study
    status: StudyStatus
    attempts: Attempts
    sides: tuple[Side, ...]
    importance: tuple[Importance | str, ...]
    file: Mapping[str, Any] | None
    versions: Mapping[str, str]
    lineage: Lineage
    note: str = ""

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.study.study_name)


def read_facts(connection: Connection, study: Study) -> StudyFacts:
    """Return all that a report tells of the study."""
    name = study.study_name
    spec, stored = read_spec_if_any(connection, name), read_stored(connection, name)
    attempts = list_attempts(connection, name)
    versions = stored.versions if stored else {}
    document = to_document(spec) if spec else None
    prices = spec.budget.prices if spec else {}
    status = read_status(connection, study, looks_ahead=True)
    confirmed = status.confirmation
    return StudyFacts(
        study,
        status,
        attempts,
        tuple(
            with_origin(connection, make_side(study, metric, attempts, document, versions, prices, confirmed))
            for metric in metric_names(study)
        ),
        _weigh(study, attempts, spec.baseline if spec else None),
        _file(spec, status),
        versions,
        read_lineage(connection, name),
        read_note(connection, study._study_id),
    )


def _weigh(study: Study, attempts: Attempts, baseline: Mapping[str, Any] | None) -> tuple[Importance | str, ...]:
    found: list[Importance | str] = []
    for metric in metric_names(study):
        try:
            found += find_importance(study, metric, baseline=baseline)
        except InputError as error:
            found.append(error.message)
    if any(trial.state.name == "FAIL" for trial in study.get_trials(deepcopy=False)):
        try:
            found.append(explain_failures(study, {number: own[-1]["outcome"] for number, own in attempts.items()}))
        except InputError as error:
            found.append(error.message)
    return tuple(found)


def _file(spec: StudySpec | None, status: StudyStatus) -> Mapping[str, Any] | None:
    if spec is None:
        return None
    data = describe_study(spec, status.progress).as_data()
    return {key: value for key, value in data.items() if key not in _NOT_OF_A_FILE and value not in ({}, [], None)}
