"""Tags from a script mean what they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.api.labels import _as_words
from hpotool.errors import InputError
from hpotool.study.labels import read_tags


def test_no_tags_are_no_words() -> None:
    assert _as_words(None) == []
    assert _as_words({}) == []


@pytest.mark.parametrize("key", ["a=b", "=", "=a", "a="])
def test_a_name_with_an_equals_sign_is_refused_and_never_another_tag(key: str) -> None:
    with pytest.raises(InputError, match=r"the tag's name .* has an '='") as refused:
        _as_words({key: "c"})
    assert refused.value.hint


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_.-]{0,8}", fullmatch=True), st.text("ab =,;'", max_size=8)))
def test_what_a_script_sets_is_what_is_read(tags: dict[str, str]) -> None:
    read = read_tags(_as_words(tags))
    assert {key: value.strip() for key, value in read.items()} == {
        key: value.strip() for key, value in tags.items()
    }
