"""The table of trials: what was asked for, and the links to more."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.web.views.trials import STATES, Wish, order_columns


@pytest.mark.parametrize(
    ("query", "wish"),
    [
        ({}, Wish()),
        ({"state": "fail"}, Wish(state="FAIL")),
        ({"state": "'; DROP TABLE trials"}, Wish()),
        ({"where": "  lr>0.1 "}, Wish(where="lr>0.1")),
        ({"sort": "-loss", "page": "3"}, Wish(sort="-loss", page=3)),
        ({"page": "0"}, Wish()),
        ({"page": "-1"}, Wish()),
        ({"page": "²"}, Wish()),
        ({"page": "9" * 50}, Wish()),
        ({"unknown": "x"}, Wish()),
    ],
)
def test_what_is_none_of_the_choices_counts_as_not_given(query: dict[str, str], wish: Wish) -> None:
    assert Wish.read(query) == wish


def test_a_link_keeps_what_was_asked_for_and_escapes_it() -> None:
    wish = Wish(state="FAIL", where="reason~a&b=c d")
    assert parse_qs(wish.link(page=2).removeprefix("?")) == {
        "state": ["FAIL"], "where": ["reason~a&b=c d"], "page": ["2"]
    }  # fmt: skip
    assert Wish().link() == "?"


def test_a_heading_sorts_one_way_then_the_other_from_the_first_page_on() -> None:
    wish = Wish(page=7)
    assert Wish.read({k: v[0] for k, v in parse_qs(wish.link_to_sort("loss")[1:]).items()}) == Wish(sort="loss")
    assert parse_qs(Wish(sort="loss").link_to_sort("loss")[1:]) == {"sort": ["-loss"]}
    assert parse_qs(Wish(sort="-loss").link_to_sort("loss")[1:]) == {"sort": ["loss"]}


def test_a_heading_says_how_the_rows_are_sorted() -> None:
    assert Wish().order_of("trial") == "descending"
    assert Wish(sort="loss").order_of("loss") == "ascending"
    assert Wish(sort="loss").order_of("trial") is None


def test_values_stand_before_parameters_even_where_the_first_rows_have_none() -> None:
    rows = [
        {"trial": 2, "state": "RUNNING", "outcome": None, "lr": 1},
        {"trial": 1, "state": "COMPLETE", "outcome": "complete", "loss": 3, "lr": 1, "value_state": 2},
    ]
    assert order_columns(rows, ["loss", "state"]) == ["trial", "state", "outcome", "loss", "value_state", "lr"]
    assert order_columns([], ["loss"]) == []


TEXTS = st.text(st.characters(codec="utf-8"), max_size=12).map(str.strip)
WISHES = st.builds(
    Wish,
    state=st.sampled_from(["", *STATES]),
    where=TEXTS,
    sort=TEXTS.map(lambda text: text or "-trial"),
    page=st.integers(1, 9_999_999),
)


@given(WISHES, st.integers(1, 9_999_999))
def test_whoever_follows_a_link_gets_what_it_was_made_of(wish: Wish, page: int) -> None:
    for link, meant in ((wish.link(), wish), (wish.link(page=page), replace(wish, page=page))):
        query = {
            name: values[0] for name, values in parse_qs(link.removeprefix("?"), keep_blank_values=True).items()
        }
        assert Wish.read(query) == meant


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["trial", "state", "outcome", "loss", "value_loss", "lr"]), st.none())
    )
)
def test_every_column_stands_once_and_those_of_the_end_first(rows: list[dict[str, None]]) -> None:
    columns = order_columns(rows, ["loss"])
    assert sorted(columns) == sorted({name for row in rows for name in row})
    first = [name for name in ("trial", "state", "outcome", "loss", "value_loss") if name in columns]
    assert columns[: len(first)] == first
