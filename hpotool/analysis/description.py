"""Describes a study: its settings as used by workers, and how it is searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpotool.analysis.pace import judge_presence
from hpotool.analysis.results import json_data
from hpotool.storage.control.studies import StudyProgress
from hpotool.study.file.resolved import to_document
from hpotool.study.rules.sampler_choice import SamplerChoice, choose_sampler
from hpotool.study.space import describe_range
from hpotool.study.spec import StudySpec

if TYPE_CHECKING:
    from optuna import Study

_RANGES = ("float", "int", "choice")


@dataclass(frozen=True)
class StudyDescription:
    """A study's settings, its number of workers, and the resulting search."""

    settings: Mapping[str, Any]  # the resolved study file
    search: SamplerChoice
    state: str
    workers: int

    def as_data(self) -> dict[str, Any]:
        """Return the study as JSON data: the keys of a study file, and ``search``, ``state`` and ``workers``."""
        merged = {key: _merge(self.settings[key]) for key in ("metrics", "constraints", "search_space")}
        return {
            **self.settings,
            **merged,
            "search": self.search.as_data(),
            "state": self.state,
            "workers": self.workers,
        }

    def parameters(self) -> list[dict[str, Any]]:
        """Return one row for each parameter of the study file."""
        rows = []
        for name, content in _merge(self.settings["search_space"]).items():
            kind = next(key for key in _RANGES if key in content)
            more = {key: value for key, value in content.items() if key != kind}
            rows.append({"parameter": name, "kind": kind, "range": content[kind], **more})
        return rows


def describe_study(spec: StudySpec, progress: StudyProgress) -> StudyDescription:
    """Return the study's description; the search depends on the number of workers."""
    workers = sum(judge_presence(worker["last_beat_s"]) != "gone" for worker in progress.workers)
    return StudyDescription(to_document(spec), choose_sampler(spec, workers), progress.state, workers)


def describe_plain_study(study: Study, progress: StudyProgress) -> dict[str, Any]:
    """Return what is known of a study of plain Optuna: its metrics, its trials and the space that they show."""
    trials = study.get_trials(deepcopy=False)
    space = {name: each for trial in trials for name, each in trial.distributions.items()}
    return {
        "study": study.study_name,
        "metrics": dict(progress.summary.metrics),
        "search_space": [
            {
                "parameter": name,
                "range": describe_range(distribution),
                "scale": "log" if getattr(distribution, "log", False) else None,
                "trials": sum(name in trial.params for trial in trials),
            }
            for name, distribution in space.items()
        ],
        "trials": dict(progress.summary.trials),
        "state": progress.state,
        "workers": len(progress.workers),
        "user_attributes": json_data(study.user_attrs),
    }


def _merge(entries: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge a list of one-key mappings, the form in which the database keeps their order."""
    return {key: value for entry in entries for key, value in entry.items()}
