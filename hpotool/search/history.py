"""A study's trials as the default sampler sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from hpotool.storage.optuna.stored_trial import StoredTrial
from hpotool.study.outcome import FAILED_ATTRIBUTE

_LINEAGE = "failed_trial"
_RECENT = 20
_MOST_FAILURES = 60


@dataclass(frozen=True)
class History:
    """The trials of a study but the one that is being sampled, by number.

    Attributes:
        finished: with a result, pruned ones included.
        failed: those whose parameters made them fail, for all that is known. A trial that failed on its way to a
            result, or because of its machine, is none of them.
        running: those that are being measured, as soon as it is known where.
    """

    finished: Sequence[FrozenTrial]
    failed: Sequence[FrozenTrial]
    running: Sequence[FrozenTrial]

    @property
    def recent_failures(self) -> float:
        """The share of the latest trials that failed."""
        ended = [(trial.number, False) for trial in self.finished[-_RECENT:]]
        ended += [(trial.number, True) for trial in self.failed[-_RECENT:]]
        latest = sorted(ended)[-_RECENT:]
        return sum(has_failed for _, has_failed in latest) / max(len(latest), 1)

    @property
    def latest_failed(self) -> Sequence[FrozenTrial]:
        """As many failed trials as a model is given; one that failed before it had any parameter tells it
        nothing."""
        return [trial for trial in self.failed[-_MOST_FAILURES:] if trial.params]

    @classmethod
    def of(cls, study: Study, trial: FrozenTrial) -> History:
        """Read the study's trials as they are known now."""
        finished: list[FrozenTrial] = []
        failed: list[FrozenTrial] = []
        running: list[FrozenTrial] = []
        for other in study.get_trials(deepcopy=False):
            if other.state == TrialState.COMPLETE:
                finished.append(other)
            elif other.state == TrialState.PRUNED:
                (failed if _was_impossible(other) else finished).append(other)
            elif other.state == TrialState.FAIL:
                if _has_attribute(other, FAILED_ATTRIBUTE):
                    failed.append(other)
            elif other.state == TrialState.RUNNING and other.number != trial.number and other.params:
                running.append(other)
        if failed:
            succeeded = {_root_of(other) for other in finished if _has_attribute(other, _LINEAGE)}
            failed = [other for other in failed if _root_of(other) not in succeeded]
        return cls(finished, failed, running)


def _has_attribute(trial: FrozenTrial, key: str) -> bool:
    """Whether there is a system attribute of that name; none is decoded."""
    return key in (trial.system_attributes.keys if isinstance(trial, StoredTrial) else trial.system_attrs)


def _was_impossible(pruned: FrozenTrial) -> bool:
    """Whether a trial was ended without any result because of a constraint: it did not fit, and a study said
    that this is no failure."""
    return pruned.value is None and any(violation > 0 for violation in pruned.constraints.values())


def _root_of(trial: FrozenTrial) -> int:
    return int(trial.system_attrs[_LINEAGE]) if _has_attribute(trial, _LINEAGE) else trial.number
