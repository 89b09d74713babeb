"""Whatever a study holds, its rows are a Parquet file that reads back as equal."""

import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpotool.analysis.exports.parquet import write_parquet
from tests.examples import examples

CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.floats(allow_nan=False),
    st.text(st.characters(codec=None), max_size=6),
    st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 3), max_size=2),
    st.sampled_from(["inf", "-inf"]),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parquet") / "rows.parquet"


def read(path: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    write_parquet(rows, path)
    found: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60))
@given(st.lists(st.dictionaries(st.sampled_from("xyz"), CELLS, min_size=1), min_size=1, max_size=5))
def test_any_cells_are_written_and_none_is_lost_or_invented(path: Path, rows: list[dict[str, Any]]) -> None:
    found = read(path, rows)
    assert len(found) == len(rows)
    for written, back in zip(rows, found, strict=True):
        for name in {name for row in rows for name in row}:
            assert (back[name] is None) == (written.get(name) is None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(30))
@given(st.lists(st.none() | st.floats(allow_nan=False) | st.integers(-(2**53), 2**53), min_size=1))
def test_a_column_of_numbers_is_a_column_of_numbers_with_the_same_values(path: Path, values: list[Any]) -> None:
    rows = [{"x": str(value) if value in (math.inf, -math.inf) else value} for value in values]
    found = [row["x"] for row in read(path, rows)]
    if all(value is None or abs(value) == math.inf for value in values):
        assert found == [row["x"] for row in rows], "nothing says that these words were numbers"
    else:
        assert found == values


@pytest.mark.parametrize(
    ("cells", "read_back"),
    [
        ([1, 2, None], [1, 2, None]),
        ([2**63 - 1, -(2**63)], [2**63 - 1, -(2**63)]),
        ([2**63, 1], ["9223372036854775808", "1"]),
        ([10**400, 0.5], [str(10**400), "0.5"]),
        ([1, "a"], ["1", '"a"']),
        ([[1], 2], ["[1]", "2"]),
        ([True, 1], ["true", "1"]),
        ([True, None, False], [True, None, False]),
        (["é😀", "\ud800"], ["é😀", "\\ud800"]),
        ([{"a": [1]}, "x"], ['{"a": [1]}', '"x"']),
        ([None, None], [None, None]),
        (["nan", 0.5], [math.nan, 0.5]),
    ],
)
def test_mixed_cells_become_json_and_the_rest_keeps_its_type(
    path: Path, cells: list[Any], read_back: list[Any]
) -> None:
    found = [row["x"] for row in read(path, [{"x": cell} for cell in cells])]
    assert repr(found) == repr(read_back)
    for text, cell in zip(found, cells, strict=True):
        if isinstance(text, str) and not isinstance(cell, str):
            assert json.loads(text) == cell
