"""A study and its trials as every tracker shows them: parameters, metrics by step, tags, a status. Pure.

What a trial is sent as depends on the trial alone, not on when or how often it is sent: so sending it again
changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from hpotool.storage.tracking.exported import ExportedStudy, ExportedTrial
from hpotool.study.outcome import Outcome
from hpotool.study.phase import phase_of
from hpotool.study.rules.budget import gpus_of_slot
from hpotool.tracking.kept_files import KeptFiles
from hpotool.tracking.names import safe_name, safe_text

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
FINAL = "final_model"  # the name of a final training's run
LONGEST_PARAMETER = 6000  # characters, as MLflow's
LONGEST_TAG = 5000
_KILLED = (Outcome.PRUNED, Outcome.CANCELLED, Outcome.PREEMPTED)


@dataclass(frozen=True)
class Point:
    """One value of a metric. NaN and infinities are values too."""

    name: str
    value: float
    step: int
    at: datetime


@dataclass(frozen=True)
class TrackedRun:
    """One trial, or the study as a whole (``number`` is None).

    Attributes:
        params: as texts, under names that every tracker takes.
        tags: all that is known beside numbers, with ``labels`` among it.
        values: the parameters as they are, under the same names.
        labels: the tags that people gave.
        note: what people wrote, in Markdown.
        kept: the files of a final training that has ended well.
    """

    number: int | None
    name: str
    status: Status
    started: datetime
    ended: datetime | None
    points: tuple[Point, ...]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    values: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    kept: KeptFiles | None = None


def describe_trial(study: ExportedStudy, trial: ExportedTrial) -> TrackedRun:
    """The trial as a run. Points come in an order that only grows while the trial runs."""
    started = trial.started or study.created
    return TrackedRun(
        number=trial.number,
        name=FINAL if phase_of(trial.reevaluation) == "final" else f"trial {trial.number}",
        status=status_of(trial),
        started=started,
        ended=trial.ended,
        points=(*_steps(trial, started), *_ends(trial, trial.ended or started)),
        params={safe_name(name): safe_text(value, LONGEST_PARAMETER) for name, value in trial.params.items()},
        values={safe_name(name): value for name, value in trial.params.items()},
        labels=_safe_tags({**_labels(study), **trial.tags}),
        tags=_safe_tags({**_own_tags({**_labels(study), **trial.tags}), **_trial_tags(study, trial)}),
        note=safe_text(trial.note, LONGEST_TAG),
        kept=KeptFiles.of(trial.kept) if trial.state == "COMPLETE" else None,
    )


def describe_study(study: ExportedStudy, latest: datetime | None) -> TrackedRun:
    """The study as the run above its trials'; ``latest`` is when the last trial that was sent ended."""
    statuses: dict[str, Status] = {"done": "FINISHED", "stopped": "KILLED"}
    tags = {
        **_own_tags(_labels(study)),
        "hpotool.study": study.name,
        "hpotool.state": study.state,
        "hpotool.reason": study.reason,
        "hpotool.trials_finished": study.finished,
        "hpotool.trials_failed": study.failed,
        "hpotool.trials_budget": study.budget_trials,
        **{f"hpotool.direction.{metric}": direction for metric, direction in study.metrics.items()},
    }
    return TrackedRun(
        number=None,
        name=study.name,
        status=statuses.get(study.state, "RUNNING") if study.is_over else "RUNNING",
        started=study.created,
        ended=latest if study.is_over else None,
        points=(),
        params={},
        tags=_safe_tags(tags),
        labels=_safe_tags(_labels(study)),
        note=safe_text("\n\n".join(filter(None, [_description(study), study.note])), LONGEST_TAG),
    )


def values_by_trial(trial: ExportedTrial) -> Iterator[Point]:
    """What the study's own run shows of a complete trial of its search: its values, by the trial's number."""
    if trial.state == "COMPLETE" and trial.ended is not None and trial.reevaluation is None:
        for metric, value in trial.values.items():
            yield Point(safe_name(metric), value, trial.number, trial.ended)


def status_of(trial: ExportedTrial) -> Status:
    """A trial's end in the four words that trackers know. Interrupted is not failed."""
    if not trial.is_finished:
        return "RUNNING"
    if trial.state == "COMPLETE":
        return "FINISHED"
    return "KILLED" if trial.state == "PRUNED" or trial.outcome in _KILLED else "FAILED"


def _steps(trial: ExportedTrial, started: datetime) -> Iterator[Point]:
    """Reports carry the trial's start: when each was made is not known, and must not depend on who asks when."""
    for metric, series in trial.steps.items():
        name = safe_name(f"steps/{metric}")
        for step, value in series.items():
            yield Point(name, float(value), step, started)


def _ends(trial: ExportedTrial, ended: datetime) -> Iterator[Point]:
    """What is known once a trial is over: one point of each metric, at the last step that it reported."""
    if not trial.is_finished:
        return
    last = max((step for series in trial.steps.values() for step in series), default=0)
    for name, value in _final_figures(trial).items():
        yield Point(safe_name(name), value, last, ended)


def _final_figures(trial: ExportedTrial) -> dict[str, float]:
    # Optuna gives a pruned trial its last report as its value, which is no result to sort by.
    figures: dict[str, Any] = dict(trial.values) if trial.state == "COMPLETE" else {}
    figures |= {f"user/{name}": value for name, value in trial.attributes.items() if _is_number(value)}
    figures |= {f"constraint/{name}": violation for name, violation in trial.violations.items()}
    if trial.attempts:
        figures["cost/duration_s"] = sum(attempt["duration_s"] for attempt in trial.attempts)
        figures["cost/gpu_hours"] = sum(
            gpus_of_slot(attempt["slot"]) * attempt["duration_s"] / 3600 for attempt in trial.attempts
        )
        system = trial.attempts[-1].get("gpu") or {}
        figures |= {f"system/gpu_{name}": value for name, value in system.items() if _is_number(value)}
    if trial.cost is not None:
        figures["cost/price"] = trial.cost
    return {name: float(value) for name, value in figures.items()}


def _own_tags(labels: Mapping[str, str]) -> dict[str, Any]:
    """Tags that people gave; trackers and hpotool keep their namespaces."""
    taken = ("mlflow.", "hpotool.", "user.")
    return {f"tag.{name}" if name.startswith(taken) else name: value for name, value in labels.items()}


def _description(study: ExportedStudy) -> str:
    return (study.spec.description if study.spec else None) or ""


def _labels(study: ExportedStudy) -> dict[str, str]:
    return dict(study.spec.tags) if study.spec else {}


def _trial_tags(study: ExportedStudy, trial: ExportedTrial) -> dict[str, Any]:
    last = trial.attempts[-1] if trial.attempts else {}
    return {
        "hpotool.study": study.name,
        **{f"user.{name}": value for name, value in trial.attributes.items() if not _is_number(value)},
        "hpotool.trial": trial.number,
        "hpotool.state": trial.state,
        "hpotool.outcome": trial.outcome,
        "hpotool.reason": last.get("reason"),
        "hpotool.worker": last.get("worker"),
        "hpotool.host": last.get("host"),
        "hpotool.slot": last.get("slot"),
        "hpotool.attempt": len(trial.lineage) + 1,
        "hpotool.retry_of": trial.lineage[-1] if trial.lineage else None,
        "hpotool.first_trial": trial.lineage[0] if trial.lineage else trial.number,
        "hpotool.goes_on_from": trial.source,
        "hpotool.phase": trial.reevaluation and trial.reevaluation.phase,
        "hpotool.point": trial.reevaluation and trial.reevaluation.point,
        "hpotool.artifacts": trial.kept and trial.kept.get("place"),
        "hpotool.renamed": _renamed(study, trial) or None,
        **_origin_tags(trial),
    }


def _origin_tags(trial: ExportedTrial) -> dict[str, Any]:
    """What the trial comes from: by kind and hash, and each path of data under a name of its own."""
    origin = dict(trial.origin)
    hashes = origin.pop("data_hashes", {})
    return {
        **{f"hpotool.{name}": value for name, value in origin.items()},
        **{f"hpotool.data.{path}": value for path, value in hashes.items()},
        **{f"hpotool.reused_{name}": value for name, value in (trial.reused or {}).items()},
    }


def _renamed(study: ExportedStudy, trial: ExportedTrial) -> dict[str, str]:
    """The names that trackers do not take, by those that they got."""
    names = [*trial.params, *study.metrics, *trial.attributes]
    return {safe_name(name): name for name in names if safe_name(name) != name}


def _safe_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    return {
        safe_name(key): safe_text(value, LONGEST_TAG) for key, value in tags.items() if value not in (None, "")
    }


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(float(value)) or isinstance(value, float)
    except OverflowError:  # a whole number that no float holds
        return False
