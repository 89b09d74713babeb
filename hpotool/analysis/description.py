"""What a study is set to do: its settings as a worker uses them, and what searches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hpotool.analysis.pace import judge_presence
from hpotool.storage.control.studies import StudyProgress
from hpotool.study.file.resolved import to_document
from hpotool.study.rules.sampler_choice import SamplerChoice, choose_sampler
from hpotool.study.spec import StudySpec

_RANGES = ("float", "int", "choice")


@dataclass(frozen=True)
class StudyDescription:
    """A study's settings, together with how many workers there are and what they make the search do."""

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
    """Return what the study is set to do; the choice of its search depends on who works on it."""
    workers = sum(judge_presence(worker["last_beat_s"]) != "gone" for worker in progress.workers)
    return StudyDescription(to_document(spec), choose_sampler(spec, workers), progress.state, workers)


def _merge(entries: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one mapping for a list of mappings with one key each, which keeps their order in the database."""
    return {key: value for entry in entries for key, value in entry.items()}
