from __future__ import annotations

import random
from collections import Counter

import pytest

from hpotool.drill.attacks import KINDS, Attack, draw_kinds, parse_kinds
from hpotool.errors import InputError


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("kill", ("kill",)),
        ("stop, kill", ("kill", "stop")),
        ("cut,cut", ("cut",)),
        (",".join(KINDS), KINDS),
    ],
)
def test_kinds_are_read_in_any_order_and_once(text: str, kinds: tuple[str, ...]) -> None:
    assert parse_kinds(text) == kinds


@pytest.mark.parametrize(("text", "said"), [("kill,burn", "'burn' is no attack"), (" , ", "names no attack")])
def test_what_is_no_attack_is_named_with_those_there_are(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        parse_kinds(text)
    assert all(kind in caught.value.message for kind in KINDS)
    assert caught.value.hint == "hpotool drill --allow kill,stop,cut"


@pytest.mark.parametrize("count", [0, 1, 5, 13])
def test_each_kind_is_drawn_as_often_as_any_other_or_once_more(count: int) -> None:
    counts = Counter(draw_kinds(KINDS, count, random.Random(3)))
    assert sum(counts.values()) == count
    assert max(counts.values(), default=0) - min((counts[kind] for kind in KINDS), default=0) <= 1


def test_the_same_seed_draws_the_same_attacks() -> None:
    draws = [draw_kinds(KINDS, 20, random.Random(seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_an_attack_is_a_line_of_the_drill() -> None:
    assert str(Attack(3.14159, "kill", "worker 2")) == "   3.1 s  kill worker 2"
    assert str(Attack(12.0, "stop", "worker 1", 6)) == "  12.0 s  stop worker 1 for 6.0 s"
