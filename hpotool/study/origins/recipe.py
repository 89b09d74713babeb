"""What it takes to run one trial again: the lock file of ``hpotool reproduce``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

FORMAT = 1
_MARK = "apart"  # the key of a re-evaluation in the file


@dataclass(frozen=True)
class Recipe:
    """One trial, and all that its value depends on, as plain data.

    Attributes:
        hpotool: the version that wrote this.
        study: the resolved study file.
        number: the trial's; the objective may use it.
        seed: the attempt's own; ``None``: it was given none.
        reevaluation: the mark of a trial beside the search, which tells its phase.
        state: how it ended; ``outcome`` is more precise.
        reports: what it reported, by step.
        code: where its code is from; with the text of its uncommitted changes, if there were any.
        data: what was at each path of ``data``; ``None``: the study names none.
    """

    hpotool: str
    study: Mapping[str, Any]
    number: int
    params: Mapping[str, Any]
    seed: int | None
    reevaluation: Mapping[str, Any] | None
    state: str
    outcome: str | None
    values: Mapping[str, float]
    reports: Mapping[str, float]
    code: Mapping[str, Any]
    data: Mapping[str, Any] | None
    environment: Mapping[str, Any] | None
    format: int = FORMAT

    def as_data(self) -> dict[str, Any]:
        """The recipe as JSON data; the text of changes is a file of its own."""
        code = {key: value for key, value in self.code.items() if key != "diff"}
        return {
            _MARK if key == "reevaluation" else key: value
            for key, value in (asdict(self) | {"code": code}).items()
        }

    @classmethod
    def of(cls, data: Any) -> Recipe:
        """Read what `as_data` wrote.

        Raises:
            ValueError: it is none, or one of a later hpotool.
        """
        try:
            found = cls(**{"reevaluation" if key == _MARK else key: value for key, value in dict(data).items()})
        except (TypeError, ValueError):
            raise ValueError("it is no lock file of hpotool reproduce, or one of another version") from None
        if found.format != FORMAT:
            raise ValueError(f"it has format {found.format}, and this hpotool reads {FORMAT}")
        return found

    @property
    def last_step(self) -> int | None:
        """The last step that it reported."""
        return max(map(int, self.reports), default=None)


def say_other_results(
    recipe: Recipe, outcome: str, values: Mapping[str, float], reports: Mapping[str, float]
) -> list[str]:
    """What a run gave that the trial did not, in sentences; empty: it gave the same."""
    if outcome != recipe.outcome:
        return [f"it ended {outcome}, and was {recipe.outcome}"]
    found = [
        f"{name} is {values.get(name)!r}, and was {value!r}"
        for name, value in recipe.values.items()
        if not _is_same(values.get(name), value)
    ]
    other = [step for step, value in recipe.reports.items() if not _is_same(reports.get(step), value)]
    if other:
        step = min(other, key=int)
        now, was = reports.get(step), recipe.reports[step]
        found.append(
            f"{len(other)} of {len(recipe.reports)} reports differ, first at step {step}: {now!r}, was {was!r}"
        )
    return found


def _is_same(one: float | None, other: float) -> bool:
    return one == other or (one is not None and one != one and other != other)
