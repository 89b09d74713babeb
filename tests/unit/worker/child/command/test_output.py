import json
import math
import re
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.worker.child.command.last_words import LastWords
from hpotool.worker.child.command.output import Line, LineReader, LineSplitter, Report, Series, Untaken


def read(reader: LineReader, line: str, **more: Any) -> list[Report | Untaken]:
    return list(reader.read(Line(line, **more)))


@pytest.mark.parametrize(
    ("line", "reports"),
    [
        ('{"step": 3, "accuracy": 0.91, "lr": 0.1}', [Report({"accuracy": 0.91, "lr": 0.1}, 3)]),
        ('{"step": 3.0, "accuracy": 1}', [Report({"accuracy": 1.0}, 3)]),
        ('{"step": null, "accuracy": 1}', [Report({"accuracy": 1.0}, None)]),
        ('  {"accuracy": "nan"}  ', [Report({"accuracy": math.nan}, None)]),
        ('{"accuracy": NaN}', [Report({"accuracy": math.nan}, None)]),
        ('{"latency_ms": 12}', [Report({"latency_ms": 12.0}, None)]),
        ('{"loss": 3}', []),
        ('{"text": "accuracy"}', []),
        ("accuracy: 0.9", []),
        ('INFO {"text": "accuracy"}', []),
        ("", []),
    ],
)
def test_json_lines_with_a_wanted_name_are_reports(line: str, reports: list[Report]) -> None:
    found = read(LineReader(("accuracy",), ("latency_ms",), {}), line)
    assert repr(found) == repr(reports)  # nan differs from itself


@pytest.mark.parametrize(
    ("line", "why", "decides"),
    [
        ('{"accuracy": 1, "step": -1}', "its step is -1, not a whole number from 0", True),
        ('{"accuracy": 1, "step": "last"}', 'its step is "last", not a whole number from 0', True),
        ('{"accuracy": true}', "it is true, not a number", True),
        ('{"accuracy": "n/a", "step": 3}', 'it is "n/a", not a number', True),
        ('{"accuracy": 1' + "0" * 5000 + "}", f"it is 1{'0' * 36}…, not a number", True),
        ('{"accuracy": [0.5]}', "it is a list, not a number", True),
        ('{"accuracy": null}', "it is null, not a number", True),
        ('{"accuracy": null, "step": 3}', "it is null, not a number", False),
        ('{"accuracy": 0.9', "its line is not a complete JSON object", True),
        ('{"accuracy": 0.9, "all": array([0.9])}', "its line is not a complete JSON object", True),
        ("{'accuracy': 0.9}", "its line is not JSON, which needs double quotes", False),
        ('{"all": {"accuracy": 0.9}}', "it is inside 'all', not at the top level of the line's object", False),
        ('INFO {"accuracy": 0.9}', "there is other text before the JSON object on its line", False),
        ('{"accuracy": ' + "[" * 100_000, "its line is not a complete JSON object", True),
    ],
)
def test_a_line_that_names_a_metric_and_cannot_be_taken_says_why(line: str, why: str, decides: bool) -> None:
    assert Untaken("accuracy", why, decides) in read(LineReader(("accuracy",), (), {}), line)


def test_a_progress_bar_left_standing_does_not_hide_a_report() -> None:
    reader = LineReader(("loss",), (), {})
    data = b' 50%|###  | 5/10 [00:01<00:01]\r 60%|#### | 6/10 [00:01]{"step": 6, "loss": 0.5}\r\n{"loss": 1}\n'
    lines = list(LineSplitter(["loss"]).feed(data))
    assert [part for line in lines for part in reader.read(line)] == [
        Report({"loss": 0.5}, 6),
        Report({"loss": 1.0}),
    ]


def test_a_patterns_matches_are_its_steps() -> None:
    reader = LineReader(("accuracy", "loss"), (), {"accuracy": r"val_acc=(\S+)", "loss": r"(?<=loss )[\d.]+"})
    lines = ["epoch 0: loss 0.5 val_acc=0.25", "nothing", "val_acc=oops", "val_acc=0.75 then val_acc=1"]
    assert [report for line in lines for report in read(reader, line)] == [
        Report({"accuracy": 0.25}, 0),
        Report({"loss": 0.5}, 0),
        Untaken("accuracy", 'its pattern matched "oops", which is not a number'),
        Report({"accuracy": 0.75}, 1),
        Report({"accuracy": 1.0}, 2),
    ]


def test_a_pattern_that_matched_nothing_is_named() -> None:
    reader = LineReader(("loss", "size"), (), {"loss": r"loss=([\d.]+)"})
    for number in range(3):
        read(reader, f"epoch {number} val_loss 0.2")
    assert reader.why_missing("loss") == r"its pattern 'loss=([\\d.]+)' matched none of 3 lines"
    assert reader.why_missing("size") == ""


def test_a_series_keeps_what_is_to_be_taken() -> None:
    series = Series({"low": "min", "high": "max"})
    for value in (math.nan, 2.0, 1.0, math.nan, 3.0):
        series.add(Report({"low": value, "high": value, "last": value}))
    assert series.values == {"low": 1.0, "high": 3.0, "last": 3.0}


def test_the_last_line_that_names_a_metric_decides_whether_its_value_is_known_and_final() -> None:
    series = Series({})
    series.add(Report({"loss": 0.9}))
    assert series.final == {"loss"}
    series.miss(Untaken("loss", "too long"))
    assert series.unknown == {"loss": "too long"}
    series.add(Report({"loss": 0.5}, 3))
    assert (series.unknown, series.final) == ({}, set())
    series.miss(Untaken("loss", "nested", decides=False))
    assert series.unknown == {}


# --- Lines


def split(chunks: Sequence[bytes], longest: int = 1 << 20) -> list[Line]:
    splitter = LineSplitter(["loss", "η"], longest)
    return [line for chunk in chunks for line in splitter.feed(chunk)] + list(splitter.finish())


@given(st.lists(st.binary(max_size=30)), st.integers(1, 7))
def test_lines_are_the_same_however_the_output_is_cut_into_chunks(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    whole = split([data])
    assert split(chunks) == whole
    texts = [part.decode(errors="replace") for part in data.replace(b"\r", b"\n").split(b"\n")]
    assert [line.text for line in whole] == [text for text in texts if text]


@given(st.integers(0, 40), st.integers(1, 9), st.sampled_from(['"loss"', '"η"', '"\\u03b7"']))
def test_a_name_beyond_the_longest_line_is_found_wherever_the_chunks_end(
    before: int, size: int, name: str
) -> None:
    data = b"{" + b"x" * before + name.encode() + b": 1}"
    [line] = split([data[start : start + size] for start in range(0, len(data), size)], longest=5)
    found = list(LineReader(["loss", "η"], (), {}).read(line))
    assert found == [Untaken("loss" if name == '"loss"' else "η", "its line is too long")]


def test_sixty_megabytes_in_one_line_take_as_long_as_in_many() -> None:
    chunk = b'{"x": ' + b"0.123456, " * 6553
    splitter, reader = LineSplitter(["loss"]), LineReader(["loss"], (), {"loss": "loss=(.*)"})
    began = time.process_time()
    for _ in range(960):
        assert list(splitter.feed(chunk)) == []
    [line] = [*splitter.feed(b'"loss": 1}\n')]
    assert set(reader.read(line)) == {
        Untaken("loss", "its line is too long"),
        Untaken("loss", "a line too long to be searched for its pattern", decides=False),
    }
    assert time.process_time() - began < 10  # quadratic: minutes


# --- Last words


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            ["Traceback (most recent call last):", '  File "x"', "ValueError: loss diverged"],
            "ValueError: loss diverged",
        ),
        (["torch.OutOfMemoryError: CUDA", "Compile with DSA", "====="], "torch.OutOfMemoryError: CUDA"),
        (["[rank0]: my.pkg.MyError: no \x1b[31mred\x1b[0m"], "my.pkg.MyError: no red"),
        (["train: cannot open data", "", "----"], "train: cannot open data"),
        (["x" * 100_000], "x" * 300),
        ([], ""),
    ],
)
def test_the_reason_of_an_end_is_what_was_said_last(lines: list[str], words: str) -> None:
    last = LastWords()
    for line in lines:
        last.add(line)
    said = " ".join(last.explain("it ended").split())
    assert said == (f"it ended: {words}" if words else "it ended")


def test_json_escapes_of_a_name_are_that_name() -> None:
    assert read(LineReader(("η",), (), {}), json.dumps({"η": 1})) == [Report({"η": 1.0})]


NUMBERS = st.floats() | st.integers(-(2**70), 2**70)
KEYS = st.text(st.characters(codec="utf-8"), max_size=6).filter(lambda key: key not in ("accuracy", "step"))


@given(
    NUMBERS,
    st.none() | st.integers(0, 2**31 - 1),
    st.dictionaries(KEYS, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    st.booleans(),
    st.sampled_from(["", " ", "\t"]),
)
def test_what_a_program_prints_with_json_dumps_is_what_is_read(
    value: float, step: int | None, others: dict[str, float], escaped: bool, blank: str
) -> None:
    printed = {**others, "accuracy": value} | ({} if step is None else {"step": step})
    line = blank + json.dumps(printed, ensure_ascii=escaped) + blank
    [report] = read(LineReader(("accuracy",), (), {}), line)
    assert isinstance(report, Report)
    assert report.step == step
    assert repr(report.values["accuracy"]) == repr(float(value))
    assert {name: number for name, number in report.values.items() if name != "accuracy"} == others


@given(
    st.text(max_size=60),
    st.lists(st.sampled_from(["accuracy", '"accuracy"', "{", "}", ":", "0.5", ", ", '"step"']), max_size=12),
)
def test_any_line_is_reports_and_reasons_of_wanted_names(text: str, parts: list[str]) -> None:
    reader = LineReader(("accuracy",), (), {"loss": r"loss[:=](\S*)"})
    for line in (text, "".join(parts), text + "".join(parts)):
        for found in read(reader, line):
            if isinstance(found, Untaken):
                assert found.metric in ("accuracy", "loss")
                assert found.why
            else:
                assert set(found.values) & {"accuracy", "loss"}
                assert found.step is None or found.step >= 0


@given(
    st.lists(st.tuples(st.floats(), st.booleans()), min_size=1, max_size=12),
    st.sampled_from(["last", "min", "max"]),
)
def test_a_series_takes_what_python_would_take_of_the_list(reports: list[tuple[float, bool]], take: Any) -> None:
    series = Series({"loss": take})
    for step, (value, is_final) in enumerate(reports):
        series.add(Report({"loss": value}, None if is_final else step))
    values = [value for value, _ in reports]
    numbers = [value for value in values if not math.isnan(value)]
    expected = values[-1] if take == "last" or not numbers else (min if take == "min" else max)(numbers)
    found = series.values["loss"]
    assert found == expected or (math.isnan(found) and math.isnan(expected))
    assert ("loss" in series.final) is reports[-1][1]


@given(
    st.lists(
        st.sampled_from(["loss=1", "loss: 0.25", "loss=-3e-2", "loss=nan", "no", "loss=", "x loss=2 loss=3"]),
        max_size=8,
    )
)
def test_a_pattern_finds_what_re_finds_and_counts_it_as_steps(lines: list[str]) -> None:
    pattern = r"loss[:=]\s*(\S+)"
    reader = LineReader(("loss",), (), {"loss": pattern})
    reports = [found for line in lines for found in read(reader, line) if isinstance(found, Report)]
    expected = [float(text) for line in lines for text in re.findall(pattern, line)]
    assert [repr(report.values["loss"]) for report in reports] == [repr(value) for value in expected]
    assert [report.step for report in reports] == list(range(len(expected)))
    assert bool(reader.why_missing("loss")) is (not expected)
