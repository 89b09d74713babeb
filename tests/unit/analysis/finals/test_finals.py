"""Whether a final training repeated the one before: its values, and its files byte by byte."""

from dataclasses import replace

from optuna.trial import TrialState

from hpotool.analysis.finals.finals import Final, differences_between, earlier_final, list_finals, say_repetition
from hpotool.storage.control.finals import ARTIFACTS
from hpotool.study.phase import PHASE_ATTRIBUTE, Reevaluation
from tests.unit.analysis.studies import add, make_study

FILE = {"name": "model.pt", "bytes": 7, "sha256": "aa"}
FIRST = Final(10, "trial 3", "COMPLETE", {"loss": 0.25}, {"x": 1}, "/kept", (FILE,))


def test_the_same_values_and_files_are_a_repetition() -> None:
    again = replace(FIRST, number=11, place="/elsewhere")
    assert differences_between(FIRST, again) == []
    assert say_repetition(FIRST, again) == "the same as trial 10 before: the objective repeats itself"


def test_every_difference_is_named() -> None:
    other = replace(
        FIRST, number=11, values={"loss": 0.26}, files=({**FILE, "sha256": "bb"}, {**FILE, "name": "new"})
    )
    assert differences_between(FIRST, other) == [
        "loss is 0.26, and was 0.25",
        "model.pt has another content",
        "new is new",
    ]
    assert differences_between(FIRST, replace(FIRST, files=())) == ["model.pt is missing"]
    assert say_repetition(FIRST, other).startswith("not the same as trial 10 before: loss is 0.26")


def test_what_is_compared_is_the_last_complete_training_of_the_same_point_before() -> None:
    failed = replace(FIRST, number=12, state="FAIL")
    of_another = replace(FIRST, number=13, point="trial 4")
    second, third = replace(FIRST, number=14), replace(FIRST, number=15)
    finals = (FIRST, failed, of_another, second, third)
    assert earlier_final(finals, second) == FIRST
    assert earlier_final(finals, third) == second
    assert earlier_final(finals, FIRST) is None
    assert earlier_final(finals, of_another) is None


def test_the_data_name_values_place_and_files() -> None:
    assert FIRST.as_data() == {
        "trial": 10,
        "point": "trial 3",
        "state": "COMPLETE",
        "values": {"loss": 0.25},
        "params": {"x": 1},
        "place": "/kept",
        "files": [FILE],
    }


KEPT = {"place": "/kept/3", "files": [FILE]}


def test_final_trainings_are_found_among_the_trials_of_a_study_in_their_order() -> None:
    study = make_study("loss")
    add(study, [0.5], {"drop": 0.1})
    for state, values, kept in (
        (TrialState.COMPLETE, [0.25], KEPT),
        (TrialState.FAIL, None, None),
        (TrialState.RUNNING, None, None),
    ):
        marks = {PHASE_ATTRIBUTE: Reevaluation("final", "trial 0", 0).to_attribute()}
        add(study, values, {"drop": 0.1}, state, system_attrs={**marks, **({ARTIFACTS: kept} if kept else {})})
    replicate = {PHASE_ATTRIBUTE: Reevaluation("confirm", "trial 0", 1).to_attribute()}
    add(study, [0.3], {"drop": 0.1}, system_attrs=replicate)
    found = list_finals(study)
    assert [(one.number, one.state, one.place) for one in found] == [
        (1, "COMPLETE", "/kept/3"),
        (2, "FAIL", None),
        (3, "RUNNING", None),
    ]
    assert (found[0].values, found[0].params, found[0].files) == ({"loss": 0.25}, {"drop": 0.1}, (FILE,))
    assert found[1].files == ()
    assert [one.as_data()["point"] for one in found] == ["trial 0"] * 3


def test_a_study_without_final_trainings_has_none() -> None:
    assert list_finals(make_study("loss")) == ()
