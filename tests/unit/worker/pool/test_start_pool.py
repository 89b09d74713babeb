import pytest

from hpotool.errors import InputError
from hpotool.worker.pool.start_pool import check_pool_name


@pytest.mark.parametrize("name", ["gpus", "team-a.b_1", "x"])
def test_a_name_that_a_study_file_takes_is_taken(name: str) -> None:
    check_pool_name(name)


@pytest.mark.parametrize("name", ["", "two words", "a\nb", "x" * 1000])
def test_a_name_that_no_study_file_can_have_is_refused_with_where_to_find_one(name: str) -> None:
    with pytest.raises(InputError) as caught:
        check_pool_name(name)
    assert caught.value.hint == "hpotool pools lists them"
