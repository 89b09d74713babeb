"""Property tests try the same examples whichever other tests run with them."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def _drawn() -> list[object]:
    found: list[object] = []

    @settings(max_examples=100, database=None)
    @given(st.text() | st.integers() | st.floats())
    def note(value: object) -> None:
        found.append(repr(value))

    note()
    return found


@pytest.mark.skipif("HPOTOOL_TEST_EXAMPLES" in os.environ, reason="other examples are asked for")
def test_what_is_imported_does_not_change_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _drawn()
    lines = [f"TEXT_{n} = 'only here {n}'\nNUMBER_{n} = {1_000_003 + n}\n" for n in range(500)]
    (tmp_path / "full_of_constants.py").write_text("".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("full_of_constants")
    assert _drawn() == before
