from collections import Counter

import pytest
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpotool.search.branches.branching import BranchTree
from hpotool.search.branches.tiers import Tiers
from hpotool.study.branch import Branch
from hpotool.study.spec import TierSpec
from tests.unit.search.branches.branching import run_fleet, trial

MINIMIZE = StudyDirection.MINIMIZE
THREE = (TierSpec(12, 3), TierSpec(4, 9), TierSpec(2, 27))


def promoted(number: int, to: int, value: float | None = None, *, source: int) -> FrozenTrial:
    return trial(number, value, Branch(source, source, source, THREE[to].steps, to))


@pytest.mark.parametrize("workers", [1, 3, 8, 40])
def test_every_tier_gets_exactly_its_trials_however_many_workers_there_are(workers: int) -> None:
    trials = run_fleet(Tiers(THREE), 18, 6, workers, lambda number: float(number * 7 % 12))
    tiers = Counter(branch.tier if (branch := Branch.of(one.system_attrs)) else 0 for one in trials)
    assert tiers == {0: 12, 1: 4, 2: 2}


def test_one_worker_promotes_exactly_the_best() -> None:
    trials = run_fleet(Tiers(THREE), 18, 6, 1, lambda number: float(number * 7 % 12))
    values = {one.number: one.value for one in trials}
    sources = [branch.source for one in trials if (branch := Branch.of(one.system_attrs)) and branch.tier == 1]
    assert sorted(values[source] for source in sources) == [0, 1, 2, 3]


def test_a_tier_waits_until_all_trials_of_the_one_before_have_begun() -> None:
    begun = [trial(number, float(number)) for number in range(11)]
    assert Tiers(THREE).next_branch(BranchTree(begun), MINIMIZE, 1) is None
    found = Tiers(THREE).next_branch(BranchTree([*begun, trial(11)]), MINIMIZE, 1)
    assert found is not None
    assert found.branch == Branch(0, 0, 0, 9, 1)
    assert found.params == begun[0].params


def test_only_as_many_go_on_as_is_their_share_of_those_that_finished() -> None:
    half = [trial(number, float(number)) for number in range(6)] + [trial(number) for number in range(6, 12)]
    rule = Tiers(THREE)
    first, second = promoted(12, 1, source=0), promoted(13, 1, source=1)
    assert rule.next_branch(BranchTree([*half, first]), MINIMIZE, 1) is not None
    assert rule.next_branch(BranchTree([*half, first, second]), MINIMIZE, 1) is None  # a third of six
    assert rule.next_branch(BranchTree([*half, first, trial(13)]), MINIMIZE, 1) is not None


def test_a_later_better_trial_takes_a_place_that_is_left() -> None:
    trials = [trial(number, float(number + 1)) for number in range(11)] + [trial(11, 0.0)]
    trials += [promoted(12 + number, 1, source=number) for number in range(3)]
    found = Tiers(THREE).next_branch(BranchTree(trials), MINIMIZE, 1)
    assert found is not None
    assert found.branch.source == 11


def test_pruned_and_infeasible_trials_go_on_only_when_nothing_else_is_left() -> None:
    tiers = (TierSpec(3, 1), TierSpec(2, 2))
    trials = [trial(0, state=TrialState.PRUNED), trial(1, 5.0), trial(2, 1.0)]
    trials[2].set_constraint("memory", 1.0)
    first = Tiers(tiers).next_branch(BranchTree(trials), MINIMIZE, 1)
    assert first is not None
    assert first.branch.source == 1
    second = Tiers(tiers).next_branch(BranchTree([*trials, promoted(3, 1, source=1)]), MINIMIZE, 1)
    assert second is not None
    assert second.branch.source == 2


def failed(number: int, source: int, **attributes: int) -> FrozenTrial:
    branch = Branch(source, source, source, 9, 1)
    return trial(number, None, branch, TrialState.FAIL, **attributes)


def test_a_branch_that_failed_is_replaced_from_the_same_trial_and_after_three_from_another() -> None:
    trials = [trial(number, float(number)) for number in range(12)]
    sources = []
    for number in range(12, 17):
        found = Tiers(THREE).next_branch(BranchTree(trials), MINIMIZE, 1)
        assert found is not None
        sources.append(found.branch.source)
        trials.append(failed(number, found.branch.source))
    assert sources == [0, 0, 0, 1, 1]


def test_a_branch_that_is_tried_again_has_not_failed() -> None:
    trials = [trial(number, float(number)) for number in range(12)]
    trials += [failed(number, 0, failed_trial=12) for number in (12, 13, 14)]
    trials.append(trial(15, branch=Branch(0, 0, 0, 9, 1), failed_trial=12))
    tree = BranchTree(trials)
    assert not tree.has_failed_often(trials[0])
    assert 0 in tree.continued


def test_checkpoints_stay_of_all_that_may_still_be_promoted_and_of_what_others_go_on_from() -> None:
    trials = [trial(number, float(number), failed_trial=number) for number in range(12)]
    trials += [promoted(12, 1, source=9)]
    assert Tiers(THREE).lineages_in_use(BranchTree(trials), MINIMIZE) == {0, 1, 2, 3, 9, 12}
    assert Tiers(THREE).lineages_in_use(BranchTree(trials), StudyDirection.MAXIMIZE) == {8, 9, 10, 11, 12}


def test_a_retry_is_promoted_under_the_lineage_that_has_its_checkpoints() -> None:
    trials = [trial(number, float(number) + 1) for number in range(11)] + [trial(15, 0.0, failed_trial=11)]
    found = Tiers(THREE).next_branch(BranchTree(trials), MINIMIZE, 1)
    assert found is not None
    assert (found.branch.source, found.branch.source_root) == (15, 11)
