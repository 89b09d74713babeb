from __future__ import annotations

from hpotool.study.yaml.document import Entry, Node, Place, parse_yaml
from hpotool.study.yaml.places import child, place_of_key


def test_a_problem_is_shown_where_the_key_stands_or_would_stand() -> None:
    node = parse_yaml("a:\n  b: 1\n", "s.yaml")
    assert child(node, "a", "b").place == Place("s.yaml", 2, 6)
    assert child(node, "a", "c").place == Place("s.yaml", 2, 3)
    assert child(node, "a", "b", "c").place == Place("s.yaml", 2, 6)
    assert place_of_key(child(node, "a"), "b") == Place("s.yaml", 2, 3)
    assert place_of_key(child(node, "a"), "c") == child(node, "a").place
    entry = Entry(Place(), Node(Place(), 1))
    assert place_of_key(Node(Place("x"), {"k": entry}), "k") == Place()
