import io
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from rich.console import Console

from hpotool.cli.screen.tables import Fitted

PARAMETERS = (
    "learning_rate",
    "num_leaves",
    "min_child_samples",
    "feature_fraction",
    "bagging_fraction",
    "boosting",
)
TRIAL = {"trial": 28, "accuracy": 0.964912, **dict.fromkeys(PARAMETERS[:5], 0.498251234), "boosting": "gbdt"}
FAILED = {"trial": 3, "outcome": "error", "reason": "ValueError: " + "loss diverged " * 20}


def drawn(rows: Sequence[Mapping[str, Any]], width: int = 80) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(Fitted(rows))
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120, 200])
@pytest.mark.parametrize("rows", [[TRIAL], [TRIAL] * 9, [FAILED] * 2, [TRIAL, FAILED]], ids=len)
def test_no_line_is_wider_than_the_terminal_and_no_number_is_broken(rows: list[Any], width: int) -> None:
    text = drawn(rows, width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("0.9649") == sum("accuracy" in row for row in rows)


def test_one_record_that_does_not_fit_becomes_a_list_of_names_and_values() -> None:
    lines = [line.split() for line in drawn([TRIAL]).splitlines()]
    assert ["min_child_samples", "0.4983"] in lines
    assert ["boosting", "gbdt"] in lines


def test_columns_that_do_not_fit_are_counted_and_named() -> None:
    text = drawn([TRIAL] * 2)
    assert "… 3 more columns: feature_fraction, bagging_fraction, boosting" in text
    assert "more column" not in drawn([TRIAL] * 2, 200)


def test_a_long_reason_is_shortened_before_a_column_goes() -> None:
    assert "…" in drawn([FAILED] * 2, 60)
    assert "more column" not in drawn([FAILED] * 2, 60)


@pytest.mark.parametrize("width", range(60, 90))
def test_the_names_of_short_columns_are_never_cut(width: int) -> None:
    header = drawn([{"trial": 1, "retry": 2, **FAILED, "lr": 0.5, "depth": 3, "boosting": "gbdt"}] * 2, width)
    assert header.split()[:3] == ["trial", "retry", "outcome"]
