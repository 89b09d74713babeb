"""Queues continuations of finished trials before this worker claims: for tiers and populations."""

from __future__ import annotations

from optuna import Study
from optuna.samplers import BaseSampler

from hpotool.search.branches.branching import FINISHED, BranchingRule, BranchTree, root_of
from hpotool.search.branches.population import PopulationSampler
from hpotool.search.branches.tiers import Tiers
from hpotool.storage.control.queueing import queue_branch
from hpotool.storage.fleet.attempts import Run
from hpotool.study.spec import StudySpec

_TRIES = 5  # tries to find a branch that no other worker has queued in the meantime; the next claim tries again


def branching_rule(spec: StudySpec, sampler: BaseSampler) -> BranchingRule | None:
    """The rule by which the study's trials continue each other; None if they do not."""
    if isinstance(sampler, PopulationSampler):
        return sampler
    return Tiers(spec.tiers) if spec.tiers else None


class Branches:
    """One worker's part in a study whose trials continue each other."""

    def __init__(self, rule: BranchingRule, run: Run, study_seed: int, actor: str) -> None:
        self._rule = rule
        self._run = run
        self._study_seed = study_seed
        self._actor = actor

    def before_claim(self, study: Study) -> None:
        """Queue one branch, if one is ready; most likely, this worker will claim it next."""
        refused = None
        for _ in range(_TRIES):
            found = self._rule.next_branch(_read_tree(study), study.direction, self._study_seed)
            if found is None or found == refused:
                return
            branch, params, reason = found.branch, found.params, found.reason
            if queue_branch(self._run, study._study_id, branch, params, reason, self._actor) is not None:
                return
            refused = found

    def unneeded_lineages(self, study: Study) -> set[int]:
        """The finished lineages whose checkpoints no trial will start from, as far as this worker knows."""
        tree = _read_tree(study)
        finished = {root_of(trial) for trial in tree.living if trial.state in FINISHED}
        return finished - self._rule.lineages_in_use(tree, study.direction)


def _read_tree(study: Study) -> BranchTree:
    return BranchTree(study.get_trials(deepcopy=False))
