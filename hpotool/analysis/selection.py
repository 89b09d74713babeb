"""Selects which trials to list, their order and their columns. Pure: records in, rows out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpotool.analysis.conditions import Condition, require_column, require_comparable
from hpotool.analysis.trials import TrialRecord

_IF_ANY = ("reason",)  # left out if all are empty
_IF_SEVERAL = ("attempts",)  # left out if no trial was retried


@dataclass(frozen=True)
class Selection:
    """Which of a study's trials to list.

    Attributes:
        states: only trials in one of these states; empty: all.
        failed: only trials that failed and were not retried.
        sort: the column to sort by, with ``descending`` largest first; default: the number.
        top: only the first ``top`` in that order; without ``sort``, the best by the first metric.
        last: only the last ``last`` trials.
        columns: the columns to show; empty: all.
    """

    states: tuple[str, ...] = ()
    failed: bool = False
    where: tuple[Condition, ...] = ()
    sort: str | None = None
    descending: bool = False
    top: int | None = None
    last: int | None = None
    columns: tuple[str, ...] = ()


def select_trials(
    records: Sequence[TrialRecord], selection: Selection, metric: str, *, is_maximized: bool
) -> list[TrialRecord]:
    """Return the selected records in order; ``metric`` is the first metric.

    Raises:
        InputError: a condition or the order names a column that no trial has, or a number is compared with text.
    """
    rows = {record.result.number: record.as_row() for record in records}
    known = list_columns(rows.values())
    for condition in selection.where if rows else ():
        require_column(condition.name, known, "--where")
        require_comparable(condition, rows.values())
    again = {number for record in records for number in record.lineage}
    chosen = [record for record in records if _is_meant(record, selection, rows, again)]
    name, descending = selection.sort, selection.descending
    if selection.top is not None and name is None:
        # The best are those of the search; what was measured again is a matter of `confirm`.
        chosen = [record for record in chosen if metric in record.result.values and record.reevaluation is None]
        name, descending = metric, is_maximized
    if name is not None and rows:
        require_column(name, known, "--sort")
        chosen = _order(chosen, {number: row.get(name) for number, row in rows.items()}, descending)
    chosen = chosen if selection.top is None else chosen[: selection.top]
    return chosen if selection.last is None else chosen[-selection.last :]


def find_failed(records: Sequence[TrialRecord], where: Sequence[Condition]) -> list[int]:
    """Return the numbers of the trials that failed, that nothing tries again, and that meet every condition.

    Conditions name a trial's columns, and ``host`` and ``worker`` of its last attempt.

    Raises:
        InputError: a condition names what no trial has, or compares a number with text.
    """
    rows = {record.result.number: {**_last_place(record), **record.as_row()} for record in records}
    for condition in where if rows else ():
        require_column(condition.name, list_columns(rows.values()), "--where")
        require_comparable(condition, rows.values())
    again = {number for record in records for number in record.lineage}
    selection = Selection(failed=True, where=tuple(where))
    return [record.result.number for record in records if _is_meant(record, selection, rows, again)]


def _last_place(record: TrialRecord) -> dict[str, Any]:
    last = record.attempts[-1] if record.attempts else {}
    return {"host": last.get("host"), "worker": last.get("worker")}


def fold_retries(records: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """Return one row for each trial with its retries, at the position of the first of them.

    The row has the number of the first trial, the newest retry's number under ``retry``, and the newest retry's
    results.
    """
    newest: dict[int, TrialRecord] = {}
    for record in records:
        root = record.lineage[0] if record.lineage else record.result.number
        if root not in newest or record.result.number > newest[root].result.number:
            newest[root] = record
    is_any = any(root != record.result.number for root, record in newest.items())
    rows = []
    for root, record in newest.items():
        row = record.as_row()
        number = row.pop("trial")
        rows.append({"trial": root, **({"retry": number if number != root else None} if is_any else {}), **row})
    return rows


def choose_columns(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], known: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return the rows with these columns in this order; ``known`` are those of rows that were not chosen.

    Raises:
        InputError: no row has one of them.
    """
    if not columns:
        return [dict(row) for row in rows]
    for name in columns if rows else ():
        require_column(name, list(dict.fromkeys([*known, *list_columns(rows)])), "--columns")
    return [{name: row.get(name) for name in columns} for row in rows]


def drop_empty(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows without columns that are empty in all of them."""
    dropped = {name for name in _IF_ANY if not any(row.get(name) for row in rows)}
    dropped |= {name for name in _IF_SEVERAL if all((row.get(name) or 0) < 2 for row in rows)}
    return [{name: value for name, value in row.items() if name not in dropped} for row in rows]


def list_columns(rows: Any) -> list[str]:
    """Return every column of every row, in the order of first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _is_meant(
    record: TrialRecord, selection: Selection, rows: Mapping[int, Mapping[str, Any]], again: set[int]
) -> bool:
    if selection.states and record.state not in selection.states:
        return False
    if selection.failed and (record.state != "FAIL" or record.result.number in again):
        return False
    return all(condition.holds(rows[record.result.number]) for condition in selection.where)


def _order(records: Sequence[TrialRecord], values: Mapping[int, Any], descending: bool) -> list[TrialRecord]:
    """Sort key: numbers before text, and rows without a value last in either direction."""
    having = [record for record in records if _is_comparable(values[record.result.number])]
    without = [record for record in records if not _is_comparable(values[record.result.number])]
    having.sort(key=lambda record: _sort_key(values[record.result.number]), reverse=descending)
    return [*having, *without]


def _is_comparable(value: Any) -> bool:
    return value is not None and value == value  # NaN is not equal to anything


def _sort_key(value: Any) -> tuple[bool, float, str]:
    return (False, value, "") if isinstance(value, (int, float)) else (True, 0.0, str(value))
