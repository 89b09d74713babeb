"""Whether early values of a study's trials foretell late ones: what pruning and tiers rely on."""

from __future__ import annotations

from collections.abc import Sequence

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from hpotool.search.history import recent_trials
from hpotool.storage.optuna.postgres import PostgresStorage
from hpotool.storage.optuna.stored_trial import StoredTrial
from hpotool.study.branch import Branch
from hpotool.study.rules.early_ranks import EarlyRanks, compare_pairs, compare_ranks

_LATEST = 200  # complete trials that are compared: their reports are read for it


def find_early_ranks(study: Study, *, has_tiers: bool = False) -> EarlyRanks | None:
    """Compare the early ranks of the study's latest complete trials with the final ones; None: too few to compare.

    With tiers, those of the trials that went on. A study of several metrics has no final ranks.
    """
    if len(study.directions) > 1:
        return None
    if has_tiers:
        return _compare_tiers(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    complete = [trial for trial in recent_trials(study) if trial.state == TrialState.COMPLETE]
    latest = [trial for trial in complete if trial.last_step is not None][-_LATEST:]
    if isinstance(study._storage, PostgresStorage):
        study._storage.load_steps([trial for trial in latest if isinstance(trial, StoredTrial)])
    return compare_ranks([(trial.intermediate_values, trial.values[0]) for trial in latest])


def say_risk(study: Study, *, pruner: str | None, tiers: bool, has_tiers: bool) -> str | None:
    """Say that ending trials early is a risk, where it is: by a pruner of that name, or by tiers.

    ``has_tiers`` says of the study itself whether its trials go on from others; it may be an earlier one.
    """
    if not is_ended_early(pruner, tiers=tiers):
        return None
    return word_risk(find_early_ranks(study, has_tiers=has_tiers), pruner, tiers=tiers)


def is_ended_early(pruner: str | None, *, tiers: bool) -> bool:
    """Whether trials end early: by a pruner of that name, or by tiers."""
    return tiers or pruner not in (None, "none")


def word_risk(found: EarlyRanks | None, pruner: str | None, *, tiers: bool) -> str | None:
    """Say that it is a risk, where it is."""
    what = "tiers" if tiers else f"the pruner {pruner}"
    return found.sentence(what) if found is not None and found.is_risk else None


def _compare_tiers(complete: Sequence[FrozenTrial]) -> EarlyRanks | None:
    """Of the trials that went on to the second tier: their ranks before and after."""
    values = {trial.number: trial.values[0] for trial in complete}
    pairs = []
    for trial in complete:
        branch = Branch.of(trial.system_attrs)
        if branch is not None and branch.tier == 1 and branch.predecessor in values:
            pairs.append((values[branch.predecessor], values[trial.number]))
    return compare_pairs("in the first tier", pairs)
