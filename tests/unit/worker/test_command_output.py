import math

import pytest

from hpotool.worker.command_output import LineReader, Report, Series


@pytest.mark.parametrize(
    ("line", "reports"),
    [
        ('{"step": 3, "accuracy": 0.91, "lr": 0.1}', [Report({"accuracy": 0.91, "lr": 0.1}, 3)]),
        ('  {"accuracy": "nan"}  ', [Report({"accuracy": math.nan}, None)]),
        ('{"latency_ms": 12}', [Report({"latency_ms": 12.0}, None)]),
        ('{"accuracy": 1, "step": -1}', [Report({"accuracy": 1.0}, None)]),
        ('{"accuracy": true}', [Report({}, None)]),
        ('{"loss": 3}', []),
        ('{"accuracy": 0.9', []),
        ("accuracy: 0.9", []),
        ("", []),
    ],
)
def test_json_lines_with_a_wanted_name_are_reports(line: str, reports: list[Report]) -> None:
    found = list(LineReader(("accuracy",), ("latency_ms",), {}).read(line))
    assert repr(found) == repr(reports)  # nan differs from itself


def test_a_patterns_matches_are_its_steps() -> None:
    reader = LineReader(("accuracy", "loss"), (), {"accuracy": r"val_acc=(\S+)", "loss": r"(?<=loss )[\d.]+"})
    lines = ["epoch 0: loss 0.5 val_acc=0.25", "nothing", "val_acc=oops", "val_acc=0.75 then val_acc=1"]
    assert [report for line in lines for report in reader.read(line)] == [
        Report({"accuracy": 0.25}, 0),
        Report({"loss": 0.5}, 0),
        Report({"accuracy": 0.75}, 1),
        Report({"accuracy": 1.0}, 2),
    ]


def test_a_series_keeps_what_is_to_be_taken() -> None:
    series = Series({"low": "min", "high": "max"})
    for value in (math.nan, 2.0, 1.0, math.nan, 3.0):
        series.add(Report({"low": value, "high": value, "last": value}))
    assert series.values == {"low": 1.0, "high": 3.0, "last": 3.0}
