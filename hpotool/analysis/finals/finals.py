"""The final trainings of a study, and whether one repeated the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpotool.analysis.results import json_data, metric_names, read_result
from hpotool.storage.control.finals import ARTIFACTS
from hpotool.study.phase import Reevaluation

if TYPE_CHECKING:
    from optuna import Study


@dataclass(frozen=True)
class Final:
    """One final training.

    Attributes:
        number: its trial's.
        point: what it trained, like ``trial 12``.
        place: where its artifacts are; ``None`` where it has not ended well.
        files: ``{"name", "bytes", "sha256"}`` of each.
    """

    number: int
    point: str
    state: str
    values: Mapping[str, float]
    params: Mapping[str, Any]
    place: str | None = None
    files: tuple[Mapping[str, Any], ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Return the training as JSON data."""
        return {
            "trial": self.number,
            "point": self.point,
            "state": self.state,
            "values": json_data(self.values),
            "params": json_data(self.params),
            "place": self.place,
            "files": [dict(file) for file in self.files],
        }


def list_finals(study: Study) -> tuple[Final, ...]:
    """Return the final trainings of a study that was loaded with the trials beside its search, oldest first."""
    names = metric_names(study)
    found = []
    for trial in study.get_trials(deepcopy=False):
        reevaluation = Reevaluation.of(trial.system_attrs)
        if reevaluation is not None and reevaluation.phase == "final":
            kept = trial.system_attrs.get(ARTIFACTS) or {}
            result = read_result(trial, names)
            found.append(
                Final(
                    trial.number,
                    reevaluation.point,
                    trial.state.name,
                    result.values,
                    result.params,
                    kept.get("place"),
                    tuple(kept.get("files", ())),
                )
            )
    return tuple(found)


def earlier_final(finals: Sequence[Final], final: Final) -> Final | None:
    """Return the complete training of the same point before this one; ``None`` where it is the first."""
    own = [one for one in finals if one.point == final.point and one.state == "COMPLETE"]
    return max((one for one in own if one.number < final.number), key=lambda one: one.number, default=None)


def differences_between(earlier: Final, later: Final) -> list[str]:
    """Return what the later training gave differently, in sentences; empty: it repeated the earlier one."""
    found = [
        f"{name} is {later.values.get(name)!r}, and was {value!r}"
        for name, value in earlier.values.items()
        if later.values.get(name) != value
    ]
    before = {file["name"]: file["sha256"] for file in earlier.files}
    after = {file["name"]: file["sha256"] for file in later.files}
    found += [f"{name} has another content" for name in before if name in after and after[name] != before[name]]
    found += [f"{name} is missing" for name in before if name not in after]
    return found + [f"{name} is new" for name in after if name not in before]


def say_repetition(earlier: Final, later: Final) -> str:
    """Return whether the later training repeated the earlier one, in a sentence."""
    found = differences_between(earlier, later)
    if not found:
        return f"the same as trial {earlier.number} before: the objective repeats itself"
    return f"not the same as trial {earlier.number} before: {'; '.join(found)}"
