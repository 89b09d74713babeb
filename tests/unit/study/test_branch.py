from hpotool.study.branch import BRANCH_ATTRIBUTE, Branch, describe_tiers, has_branches, steps_of_trial
from hpotool.study.spec import MetricSpec, ObjectiveSpec, SamplerSpec, StudySpec, TierSpec

PLAIN = StudySpec("s", ObjectiveSpec(python="m:f"), (MetricSpec("loss", "minimize"),))
TIERED = StudySpec("s", PLAIN.objective, PLAIN.metrics, tiers=(TierSpec(60, 3), TierSpec(10, 30)))
POPULATION = StudySpec("s", PLAIN.objective, PLAIN.metrics, sampler=SamplerSpec("pbt", 1, {"interval": 5}))
BRANCH = Branch(4, 2, 1, 30, tier=1, explored={"lr": [0.1, 0.2]})


def test_a_branch_is_read_from_the_attribute_it_was_written_into() -> None:
    assert Branch.of({BRANCH_ATTRIBUTE: BRANCH.to_attribute()}) == BRANCH
    assert Branch.of({}) is None


def test_only_tiers_and_populations_have_branches() -> None:
    assert [has_branches(spec) for spec in (PLAIN, TIERED, POPULATION)] == [False, True, True]


def test_a_trial_goes_as_far_as_its_branch_its_tier_or_its_interval_says() -> None:
    assert [steps_of_trial(spec, None) for spec in (PLAIN, TIERED, POPULATION)] == [None, 3, 5]
    assert steps_of_trial(TIERED, BRANCH) == 30


def test_tiers_are_said_in_words() -> None:
    assert describe_tiers(TIERED.tiers) == "60 trials up to step 3, 10 trials up to step 30"
    assert describe_tiers(()) == ""
