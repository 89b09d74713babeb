import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.study.units import (
    format_bytes,
    format_duration,
    format_gigabytes,
    format_size,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("1h30m", 5400),
        (" 1d ", 86400),
        ("1.5h", 5400),
        ("0.001s", 0.001),
        ("2h 5 m", 7500),
    ],
)
def test_a_duration_is_numbers_with_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "90", "s", "1w", "-1h", "1h-3m", "1,5h", "1e3s", "h1"])
def test_what_is_no_duration_is_told_how_one_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="write a number with a unit, like 90s"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "0.0000001s", "40000d"])
def test_no_time_and_more_than_a_century_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="for no limit, leave the key out"):
        parse_duration(text)


@given(st.timedeltas(timedelta(microseconds=1), timedelta(days=36500)))
def test_a_duration_reads_back_exactly_in_its_largest_unit(duration: timedelta) -> None:
    text = format_duration(duration)
    assert parse_duration(text) == duration
    whole = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    larger = [size for unit, size in whole.items() if size > whole[text[-1]]]
    assert not any(duration % timedelta(seconds=size) == timedelta(0) for size in larger)


@pytest.mark.parametrize(
    ("text", "size"), [("1B", 1), ("512MB", 512 * 10**6), ("1.5GiB", 3 * 2**29), ("2 TB", 2 * 10**12)]
)
def test_a_size_is_decimal_or_binary(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "16", "GB", "1gb", "-1GB", "1GB2MB"])
def test_what_is_no_size_is_told_how_one_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="write a number with a unit, like 512MB"):
        parse_size(text)


@pytest.mark.parametrize("text", ["0B", "0.4B", "0.0GiB"])
def test_a_size_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be above zero"):
        parse_size(text)


@given(st.integers(1, 2**60))
def test_a_size_reads_back_exactly(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1023 * 1024 + 1000, "1 MiB"),
        (2**30 - 1, "1 GiB"),
        (-2048, "-2 KiB"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (2**30, "1 GiB"),
        (5000 * 2**30, "5000 GiB"),
        (20_000 * 2**30, "20000 GiB"),
        (9_999_700 * 2**20, "9765 GiB"),
    ],
)
def test_bytes_for_people(number: int, text: str) -> None:
    assert format_bytes(number) == text


@given(st.integers(-(2**70), 2**70) | st.sampled_from([1000**n - 1 for n in range(1, 7)]))
def test_a_size_never_reaches_the_next_unit_nor_has_an_exponent(number: int) -> None:
    for text, step in ((format_bytes(number), 1024), (format_gigabytes(number), 1000)):
        amount, unit = re.fullmatch(r"(-?[\d.]+) ?(\w+)", text).groups()  # type: ignore[union-attr]
        assert abs(float(amount)) < step or unit in ("GiB", "TB")
        factor = step ** ["B", "K", "M", "G", "T"].index(unit if unit == "B" else unit[0])
        assert float(amount) * factor == pytest.approx(number, rel=5.1e-3)


@given(st.integers(0, 2**60))
def test_bytes_for_people_are_right_to_four_digits(number: int) -> None:
    amount, unit = format_bytes(number).split()
    factor = 1024 ** ["B", "KiB", "MiB", "GiB"].index(unit)
    assert float(amount) * factor == pytest.approx(number, rel=5e-4)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0B"),
        (999, "999B"),
        (999_499, "999KB"),
        (999_500, "1MB"),
        (999_999_999, "1GB"),
        (10**10, "10GB"),
        (16 << 30, "17.2GB"),
        (5 * 10**8, "500MB"),
        (2 * 10**12, "2TB"),
        (1234 * 10**12, "1234TB"),
        (-999_999_999, "-1GB"),
    ],
)
def test_memory_is_said_in_the_units_in_which_a_study_file_asks_for_it(number: int, text: str) -> None:
    assert format_gigabytes(number) == text
