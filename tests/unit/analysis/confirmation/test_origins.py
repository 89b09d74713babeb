"""Where replicates came from something else than what they confirm: found by name, and said in one sentence."""

from __future__ import annotations

from hpotool.analysis.confirmation.origins import (
    ConfirmedOrigins,
    OtherOrigin,
    differs_data,
    find_other_origins,
    say_other_origins,
)
from hpotool.analysis.confirmation.sentence import say_answer
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
