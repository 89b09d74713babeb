"""Writes rows to a Parquet file, with one type per column."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from hpotool.study.doors import storable

_WHOLE = range(-(2**63), 2**63)
_NOT_FINITE = {"inf", "-inf", "nan"}


def write_parquet(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the rows; a column of numbers keeps its infinities, and a column with several types becomes JSON text.

    Raises:
        OSError: the file cannot be written.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def _column(values: Sequence[Any]) -> list[Any]:
    present = [value for value in values if value is not None]
    if all(_is_number(value) for value in present) and any(not isinstance(value, str) for value in present):
        is_whole = all(type(value) is int for value in present)
        return [value if value is None or is_whole else float(value) for value in values]
    if {type(value) for value in present} in (set(), {str}, {bool}):
        return [storable(value) if isinstance(value, str) else value for value in values]
    return [None if value is None else storable(json.dumps(value, ensure_ascii=False)) for value in values]


def _is_number(value: Any) -> bool:
    """Whether a column of 64 bits can have it."""
    if isinstance(value, str):
        return value in _NOT_FINITE
    return type(value) is float or (type(value) is int and value in _WHOLE)
