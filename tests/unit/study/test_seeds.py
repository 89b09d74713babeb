from hypothesis import given
from hypothesis import strategies as st

from hpotool.study.seeds import seed_for_trial

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.sets(st.integers(0, 2**32 - 1), min_size=2, max_size=50))
def test_no_two_trials_of_a_study_share_a_seed(study_seed: int, numbers: set[int]) -> None:
    assert len({seed_for_trial(study_seed, number) for number in numbers}) == len(numbers)


@given(SEEDS, st.integers(0, 10**7))
def test_a_seed_is_what_numpy_takes(study_seed: int, number: int) -> None:
    assert 0 <= seed_for_trial(study_seed, number) < 2**32


def test_seeds_stay_what_they_are_from_release_to_release() -> None:
    assert [seed_for_trial(42, number) for number in range(3)] == [3118121311, 310834301, 4213354605]


def test_studies_with_neighbouring_seeds_do_not_share_trials_seeds() -> None:
    one, two = ({seed_for_trial(seed, number) for number in range(10_000)} for seed in (1, 2))
    assert len(one & two) <= 3
