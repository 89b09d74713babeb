"""A branch: a trial that goes on from the checkpoint of a finished one. How far it goes, and what it was made of.

Tiers branch the best of the tier before; population based training branches every member after each interval. Both
write the same attribute into the new trial, and its retries inherit it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hpotool.study.spec import StudySpec, TierSpec

BRANCH_ATTRIBUTE = "hpotool:branch"


@dataclass(frozen=True)
class Branch:
    """Where a trial comes from. A trial is named by its number, a lineage by that of the trial tried first.

    Attributes:
        predecessor: the finished trial whose place this one takes; each has at most one successor.
        source: the finished trial whose checkpoint it begins with; another one where the predecessor was replaced.
        source_root: the lineage of ``source``, which names the folder of its checkpoints.
        steps: up to which step it goes, counted from the beginning of all training.
        tier: the tier that it runs in, counted from 0; None in a population.
        explored: parameters whose value is not the source's: [value there, value here].
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
        """The branch that a trial with these attributes is; None: it began by itself."""
        data = system_attrs.get(BRANCH_ATTRIBUTE)
        return None if data is None else cls(**data)


def has_branches(spec: StudySpec) -> bool:
    """Whether trials of the study go on from each other."""
    return bool(spec.tiers) or spec.population is not None


def steps_of_trial(spec: StudySpec, branch: Branch | None) -> int | None:
    """Up to which step the trial goes; None where the study leaves that to the objective."""
    if branch is not None:
        return branch.steps
    if spec.tiers:
        return spec.tiers[0].steps
    return spec.population.interval if spec.population else None


def describe_tiers(tiers: Sequence[TierSpec]) -> str:
    """The tiers for a person: how many trials go how far. Empty without tiers."""
    return ", ".join(f"{tier.trials} trials up to step {tier.steps}" for tier in tiers)
