"""Queries about studies, answered in one or two round trips without loading trials."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hpotool.errors import InputError
from hpotool.settings import GRACE_PERIOD
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query


@dataclass(frozen=True)
class StudySummary:
    """A summary of a study: its metrics with their directions, and the number of trials in each state.

    ``reevaluations`` are the trials beside the search, which are not among ``trials``.
    """

    name: str
    metrics: Mapping[str, str]
    trials: Mapping[str, int]
    is_archived: bool = False
    reevaluations: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyProgress:
    """A study's progress and its workers.

    Attributes:
        state: ``running``, ``paused``, ``draining``, ``stopped`` or ``done``.
        reason: who set that state and why; may be empty.
        budget_trials: the number of trials to finish; ``None`` without such a limit.
        workers: ``{"id", "host", "pid", "slot", "trial", "waits", "last_beat_s"}`` of those that have not ended.
        taken_over: how many trials finished in another study, and do not count towards the budget.
        warning: what does not fit between the pruner and what the objective reports.
        tiers: ``{"trials", "steps"}`` of each, in their order; empty without tiers.
        pruner: its name; None: that of a study without a study file is not known.
        pool_workers: how many workers of its pool are alive, whichever study they serve at the moment.
    """

    summary: StudySummary
    state: str
    reason: str
    budget_trials: int | None
    workers: tuple[Mapping[str, Any], ...]
    taken_over: int = 0
    warning: str | None = None
    tiers: tuple[Mapping[str, int], ...] = ()
    pruner: str | None = None
    pool_workers: int = 0

    @property
    def finished(self) -> int:
        """The number of trials that count towards the budget."""
        counts = self.summary.trials
        return counts.get("COMPLETE", 0) + counts.get("PRUNED", 0) - self.taken_over


def list_studies(connection: Connection, study_name: str | None = None) -> list[StudySummary]:
    """All studies in order of creation, or only the one of that name; none if Optuna's tables do not exist."""
    if not has_table(connection, "studies"):
        return []
    return [
        StudySummary(name, _metrics(directions, metric_names), counts or {}, is_archived, reevaluations or {})
        for name, directions, metric_names, counts, reevaluations, is_archived in connection.run(
            query("list_studies"), {"study_name": study_name}
        )
    ]


def read_progress(connection: Connection, summary: StudySummary) -> StudyProgress:
    """The study's progress. A study of plain Optuna that hpotool has never used is running, without a budget."""
    rows = (
        connection.run(
            query("study_progress"),
            {"study_name": summary.name, "gone_after_s": 2 * GRACE_PERIOD.total_seconds()},
        )
        if has_table(connection, "hpotool.study_settings")
        else []
    )
    if not rows:
        return StudyProgress(summary, "running", "", None, ())
    state, reason, budget_trials, taken_over, workers, warning, tiers, pruner, pool_workers = rows[0]
    progress = StudyProgress(
        summary,
        state,
        reason,
        budget_trials,
        tuple(workers),
        taken_over=taken_over,
        warning=None if warning is None else json.loads(warning),
        tiers=tuple(tiers),
        pruner=pruner,
        pool_workers=pool_workers,
    )
    if state == "running" and budget_trials is not None and progress.finished >= budget_trials:
        # There was no claim since the last trial finished, and only a claim stores the state.
        return replace(progress, state="done")
    return progress


def has_replicates(connection: Connection, study_name: str) -> bool:
    """Whether the study's settings say that trials of the same point are compared by their mean."""
    if not has_table(connection, "hpotool.study_settings"):
        return False
    rows = connection.run(query("has_replicates"), {"study_name": study_name})
    return bool(rows and rows[0][0])


def list_attempts(
    connection: Connection, study_name: str, number: int | Sequence[int] | None = None, *, brief: bool = False
) -> dict[int, list[dict[str, Any]]]:
    """The attempts of each trial, or of some, by its number, oldest first; ``brief``: without their output."""
    attempts: dict[int, list[dict[str, Any]]] = defaultdict(list)
    if has_table(connection, "hpotool.attempts"):
        numbers = [number] if isinstance(number, int) else None if number is None else list(number)
        parameters = {"study_name": study_name, "numbers": numbers, "brief": brief}
        rows = connection.run(query("list_attempts"), parameters)
        for trial_number, attempt in rows:
            attempts[trial_number].append(attempt)
    return dict(attempts)


def default_metric_names(count: int) -> list[str]:
    """Names for the metrics of a study of plain Optuna that has none."""
    return ["value"] if count == 1 else [f"value_{i}" for i in range(count)]


def _metrics(directions: list[str], metric_names: str | None) -> dict[str, str]:
    names = json.loads(metric_names) if metric_names else default_metric_names(len(directions))
    return dict(zip(names, (direction.lower() for direction in directions), strict=True))


def has_table(connection: Connection, name: str) -> bool:
    """Whether the database has that table; if not, there is no such data."""
    return bool(connection.run("SELECT to_regclass(%s) IS NOT NULL", (name,))[0][0])


def refuse_name_of_another_case(connection: Connection, name: str, hint: str, *, instead_of: str = "") -> None:
    """Refuse a new name that differs from another study's only in the case of its letters.

    Each study has a folder of its name for logs and one for checkpoints. On a file system that ignores case, as on
    most Macs, the two studies would resume from each other's checkpoints. ``instead_of`` is the study's own name
    so far.

    Raises:
        InputError: there is such a study, and none of that name.
    """
    query_alike = "SELECT study_name FROM studies WHERE lower(study_name) = lower(%s) AND study_name <> %s"
    alike = connection.run(query_alike, (name, instead_of))
    names = sorted(found for (found,) in alike)
    if names and name not in names:
        raise InputError(
            f"study {names[0]!r} differs from {name!r} only in the case of its letters: "
            "where a file system ignores case, the two would share their checkpoints",
            hint,
        )
