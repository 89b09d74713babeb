"""Where replicates came from something else than what they confirm: found by name, and said in one sentence."""

from __future__ import annotations

from hpotool.analysis.confirmation.origins import (
    ConfirmedOrigins,
    OtherOrigin,
    _flats,
    _hashes,
    differs_data,
    find_other_origins,
    say_other_origins,
)
from hpotool.analysis.confirmation.sentence import say_answer
from hpotool.storage.fleet.origins import SharedOrigin
from hpotool.study.origins.differences import flatten
from tests.unit.analysis.confirmation.answers import confirmed, point


def test_only_what_is_not_the_same_everywhere_is_found() -> None:
    search = [{"python": "3.11", "image": "a:1"}]
    replicates = [{"python": "3.11", "image": "a:1", "gpus": "H100"}, {"python": "3.11", "image": "a:2"}]
    assert list(find_other_origins(search, replicates)) == [
        OtherOrigin("image", ("a:1",), ("a:1", "a:2")),
        OtherOrigin("gpus", (None,), ("H100", None)),
    ]
    assert list(find_other_origins(search, [search[0], search[0]])) == []
    assert list(find_other_origins([], replicates[:1])) == [], "of the search nothing is known"


def test_it_is_said_in_one_sentence_and_what_decides_most_comes_first() -> None:
    found = [
        OtherOrigin("platform", ("x",), ("y",)),
        *(OtherOrigin(f"package p{n}", ("1",), ("2",)) for n in range(3)),
        OtherOrigin("data rows.csv", ("63d1",), ("9b0f",)),
        OtherOrigin("image", ("a", "b"), ("b", "a")),
    ]
    assert say_other_origins(found) == (
        "The replicates differ from the search's trials in data rows.csv (63d1 -> 9b0f), package p0 (1 -> 2), "
        "package p1 (1 -> 2) and 2 more, and among themselves in image (b, a)."
    )
    assert say_other_origins([OtherOrigin("cpu", (), ("a", None, "c", "d"))]) == (
        "The replicates differ among themselves in cpu (a, none, c, …)."
    )
    assert say_other_origins([]) == ""


def test_an_answer_says_it_and_has_it_as_data() -> None:
    answer = confirmed({point(3, 0.1): [0.1, 0.2], point(5, 0.2): [0.7, 0.8]})
    other = OtherOrigin("data rows.csv", ("63d1",), ("9b0f",))
    warned = type(answer)(**{**vars(answer), "origins": ConfirmedOrigins({}, (other,))})
    assert say_answer(warned) == f"{say_answer(answer)} {say_other_origins([other])}"
    assert warned.is_sound is False
    assert differs_data([other]) == {"data rows.csv": {"search": ["63d1"], "replicates": ["9b0f"]}}


def test_hashes_of_a_kind_are_each_named_once_and_unknown_ones_are_left_out() -> None:
    origins = [SharedOrigin({"code": one, "data": None}, {}) for one in ("b", "a", "b", None)]
    assert _hashes(origins, "code") == ("b", "a")
    assert _hashes(origins, "data") == ()
    assert _hashes(origins, "environment") == ()


def test_contents_that_are_not_stored_are_not_compared() -> None:
    origins = [SharedOrigin({"environment": one}, {}) for one in ("a", "b", "a")]
    contents = {("environment", "a"): {"python": "3.11"}, ("code", "b"): {"commit": "c"}}
    assert _flats(origins, "environment", contents) == [flatten("environment", {"python": "3.11"})]
