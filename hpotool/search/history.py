"""A study's trials, in the form used by the default sampler."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from hpotool.storage.optuna.postgres import PostgresStorage
from hpotool.storage.optuna.stored_trial import StoredTrial
from hpotool.study.outcome import FAILED_ATTRIBUTE

_LINEAGE = "failed_trial"
_RECENT = 20
_MOST_FAILURES = 60


@dataclass(frozen=True)
class History:
    """The trials of a study by number, except the one being sampled.

    Attributes:
        finished: with a result, including pruned ones.
        failed: those whose parameters made them fail, as far as known, without trials that will be retried or
            failed because of their machine.
        running: those being measured, once their parameters are known.
    """

    finished: Sequence[FrozenTrial]
    failed: Sequence[FrozenTrial]
    running: Sequence[FrozenTrial]

    @property
    def recent_failures(self) -> float:
        """The failure rate of the latest trials."""
        ended = [(trial.number, False) for trial in self.finished[-_RECENT:]]
        ended += [(trial.number, True) for trial in self.failed[-_RECENT:]]
        latest = sorted(ended)[-_RECENT:]
        return sum(has_failed for _, has_failed in latest) / max(len(latest), 1)

    @property
    def latest_failed(self) -> Sequence[FrozenTrial]:
        """The failed trials to give to a model; a trial that failed before it had parameters is of no use."""
        return [trial for trial in self.failed[-_MOST_FAILURES:] if trial.params]

    @classmethod
    def of(cls, study: Study, trial: FrozenTrial) -> History:
        """Read the study's current trials; of a long study, the newest and the best."""
        return cls.from_trials(recent_trials(study), trial.number)

    @classmethod
    def from_trials(cls, trials: Iterable[FrozenTrial], without: int | None = None) -> History:
        """Sort trials; ``without`` is the number of the one being sampled."""
        finished: list[FrozenTrial] = []
        failed: list[FrozenTrial] = []
        running: list[FrozenTrial] = []
        for other in trials:
            if other.state == TrialState.COMPLETE:
                finished.append(other)
            elif other.state == TrialState.PRUNED:
                (failed if _was_impossible(other) else finished).append(other)
            elif other.state == TrialState.FAIL:
                if _has_attribute(other, FAILED_ATTRIBUTE):
                    failed.append(other)
            elif other.state == TrialState.RUNNING and other.number != without and other.params:
                running.append(other)
        if failed:
            succeeded = {_root_of(other) for other in finished if _has_attribute(other, _LINEAGE)}
            failed = [other for other in failed if _root_of(other) not in succeeded]
        return cls(finished, failed, running)


def recent_trials(study: Study) -> Sequence[FrozenTrial]:
    """The trials that a search looks at, by number, as `PostgresStorage.get_recent_trials` defines them."""
    if isinstance(study._storage, PostgresStorage):
        return study._storage.get_recent_trials(study._study_id)
    return study.get_trials(deepcopy=False)


def _has_attribute(trial: FrozenTrial, key: str) -> bool:
    """Whether there is a system attribute of that name, without decoding any."""
    return key in (trial.system_attributes.keys if isinstance(trial, StoredTrial) else trial.system_attrs)


def _was_impossible(pruned: FrozenTrial) -> bool:
    """Whether a trial ended without a result because of a constraint: it ran out of memory, and the study says
    that this is not a failure."""
    return pruned.value is None and any(violation > 0 for violation in pruned.constraints.values())


def _root_of(trial: FrozenTrial) -> int:
    return int(trial.system_attrs[_LINEAGE]) if _has_attribute(trial, _LINEAGE) else trial.number
