import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.storage.control.lineages import StudyOnDisk

STATES = st.frozensets(st.sampled_from(["COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING"]))


@given(st.dictionaries(st.integers(0, 30), STATES), st.integers(0, 30))
def test_a_lineage_is_needed_while_it_is_open_and_its_result_until_all_may_go(
    states: dict[int, frozenset[str]], number: int
) -> None:
    study, name = StudyOnDisk("s", True, states=states), f"trial-{number:05d}"
    of_it = states.get(number, frozenset())
    assert study.is_open(name) is bool(of_it & {"RUNNING", "WAITING"})
    assert study.is_unneeded(name, even_finished=True) is not study.is_open(name)
    has_result = bool(of_it & {"COMPLETE", "PRUNED"})
    assert study.is_unneeded(name, even_finished=False) is (not study.is_open(name) and not has_result)


@pytest.mark.parametrize("name", ["", "trial-", "trial-1x", "xtrial-1", ".removing-trial-00001", "notes"])
def test_what_is_no_lineage_s_folder_is_nobody_s(name: str) -> None:
    study = StudyOnDisk("s", True, states={1: frozenset({"RUNNING"})})
    assert not study.is_open(name)
    assert not study.is_unneeded(name, even_finished=True)
