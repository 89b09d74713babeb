"""Whether a final training repeated the one before: its values, and its files byte by byte."""

from dataclasses import replace

from hpotool.analysis.finals.finals import Final, differences_between, earlier_final, say_repetition

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
