"""What an attempt is for, as a trial's attributes say it."""

from hpotool.study.phase import Reevaluation, is_reevaluation, phase_of
from hpotool.study.seeds import seed_for_trial


def test_a_mark_reads_back_and_a_trial_of_the_search_has_none() -> None:
    reevaluation = Reevaluation("confirm", "trial 12", 3)
    attributes = {"hpotool:phase": reevaluation.to_attribute()}
    assert Reevaluation.of(attributes) == reevaluation
    assert Reevaluation.of({"fixed_params": {}}) is None
    assert is_reevaluation(attributes)
    assert not is_reevaluation({"fixed_params": {}})
    assert (phase_of(reevaluation), phase_of(None)) == ("confirm", "search")


def test_replicates_have_seeds_that_no_trial_of_the_search_has() -> None:
    searched = {seed_for_trial(7, number) for number in range(5_000)}
    seeds = [seed_for_trial(7, Reevaluation("confirm", "trial 1", k).seed_number) for k in range(500)]
    assert len(set(seeds)) == 500
    assert not searched & set(seeds)


def test_the_same_replicate_of_two_points_has_one_seed() -> None:
    one, other = Reevaluation("confirm", "trial 1", 4), Reevaluation("confirm", "baseline", 4)
    assert seed_for_trial(7, one.seed_number) == seed_for_trial(7, other.seed_number)
