"""A branch: a trial that continues from the checkpoint of a finished one. Records its origin and how far it goes.

Tiers branch the best trials of the previous tier; population based training branches every member after each
interval. Both write the same attribute into the new trial, and its retries inherit it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hpotool.study.spec import StudySpec, TierSpec
from hpotool.study.wording import count_of

BRANCH_ATTRIBUTE = "hpotool:branch"


@dataclass(frozen=True)
class Branch:
    """The origin of a trial. A trial is identified by its number, a lineage by the number of its first trial.

    Attributes:
        predecessor: the finished trial that this one succeeds; each trial has at most one successor.
        source: the finished trial whose checkpoint this one starts with; differs from the predecessor if that was
            replaced.
        source_root: the lineage of ``source``, which names its checkpoint folder.
        steps: the step to train to, counted from the start of all training.
        tier: the tier of this trial, counted from 0; None in a population.
        explored: parameters whose value differs from the source's: [value there, value here].
    """

    predecessor: int
    source: int
    source_root: int
    steps: int
    tier: int | None = None
    explored: Mapping[str, list[Any]] | None = None

    def to_attribute(self) -> dict[str, Any]:
        """The branch as JSON data."""
        return asdict(self)

    @classmethod
    def of(cls, system_attrs: Mapping[str, Any]) -> Branch | None:
        """The branch recorded in a trial's attributes; None if the trial started from scratch."""
        data = system_attrs.get(BRANCH_ATTRIBUTE)
        return None if data is None else cls(**data)


def has_branches(spec: StudySpec) -> bool:
    """Whether trials of the study continue each other."""
    return bool(spec.tiers) or spec.population is not None


def steps_of_trial(spec: StudySpec, branch: Branch | None) -> int | None:
    """The step to which the trial trains; None if the objective decides."""
    if branch is not None:
        return branch.steps
    if spec.tiers:
        return spec.tiers[0].steps
    return spec.population.interval if spec.population else None


def describe_tiers(tiers: Sequence[TierSpec]) -> str:
    """The tiers in words: how many trials train to which step. Empty without tiers."""
    return ", ".join(f"{count_of(tier.trials, 'trial')} up to step {tier.steps}" for tier in tiers)
