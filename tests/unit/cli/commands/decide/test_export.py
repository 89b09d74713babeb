"""Exports: the format follows from the ending, options that contradict each other are refused, files are whole."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpotool.cli.commands.decide.export import (
    FileFormat,
    What,
    _check,
    _check_parquet,
    _format_of,
    _write_params,
    _write_rows,
)
from hpotool.errors import InputError

PARAMS: list[dict[str, Any]] = [{"lr": 0.1, "kind": "a,b"}, {"lr": 0.2, "kind": None}]


@pytest.mark.parametrize(
    ("what", "trial", "count", "steps", "says"),
    [
        (What.TRIALS, 3, None, False, "--trial goes with params"),
        (What.TRIALS, 0, None, False, "--trial goes with params"),
        (What.TRIALS, None, 5, False, "-n goes with params"),
        (What.PARAMS, None, None, True, "--steps goes with trials"),
        (What.PARAMS, 3, 5, False, "--trial names one trial, and -n asks for several"),
    ],
)
def test_what_contradicts_itself_is_refused_with_a_command(
    what: What, trial: int | None, count: int | None, steps: bool, says: str
) -> None:
    with pytest.raises(InputError, match=says) as refused:
        _check(what, trial, count, steps)
    assert (refused.value.hint or "").startswith("hpotool export ")


@pytest.mark.parametrize(
    ("what", "trial", "count", "steps"),
    [
        (What.TRIALS, None, None, True),
        (What.TRIALS, None, None, False),
        (What.PARAMS, 0, None, False),
        (What.PARAMS, None, 1, False),
    ],
)
def test_what_goes_together_is_taken(what: What, trial: int | None, count: int | None, steps: bool) -> None:
    _check(what, trial, count, steps)


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("t.csv", FileFormat.CSV),
        ("T.CSV", FileFormat.CSV),
        ("a.b.json", FileFormat.JSON),
        ("best.yml", FileFormat.YAML),
        ("best.yaml", FileFormat.YAML),
        ("x.parquet", FileFormat.PARQUET),
        ("none", None),
        (".hidden", None),
    ],
)
def test_the_ending_says_the_format(name: str, format: FileFormat | None) -> None:
    assert _format_of(Path(name)) == format


@pytest.mark.parametrize("name", ["t.xlsx", "t.txt", "t.csv.gz", "t.", "best.yaml.bak"])
def test_an_ending_that_is_none_is_refused_with_those_that_are(name: str) -> None:
    if not Path(name).suffix:
        assert _format_of(Path(name)) is None
        return
    with pytest.raises(InputError, match=r"the known endings are \.csv, \.json"):
        _format_of(Path(name))


def test_parquet_is_for_trials_in_a_file() -> None:
    _check_parquet(FileFormat.PARQUET, What.TRIALS, Path("t.parquet"))
    _check_parquet(FileFormat.CSV, What.PARAMS, None)
    for what, output, says in (
        (What.PARAMS, Path("t.parquet"), "parquet is for trials"),
        (What.TRIALS, None, "cannot be written to a terminal"),
    ):
        with pytest.raises(InputError, match=says):
            _check_parquet(FileFormat.PARQUET, what, output)


@pytest.mark.parametrize("format", [FileFormat.YAML, FileFormat.JSON])
def test_one_trial_is_one_mapping_and_several_are_a_file_each(
    format: FileFormat, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = yaml.safe_load if format is FileFormat.YAML else json.loads
    path = tmp_path / f"best.{format.value}"
    _write_params(PARAMS[:1], format, path, is_list=False)
    assert read(path.read_text()) == PARAMS[0]
    path.unlink()
    _write_params(PARAMS, format, path, is_list=True)
    names = [f"best-1.{format.value}", f"best-2.{format.value}"]
    assert sorted(one.name for one in tmp_path.iterdir()) == names
    assert [read((tmp_path / name).read_text()) for name in names] == PARAMS
    assert capsys.readouterr().err.count("wrote ") == 3


def test_several_to_a_terminal_are_one_list(capsys: pytest.CaptureFixture[str]) -> None:
    _write_params(PARAMS, FileFormat.JSON, None, is_list=True)
    assert json.loads(capsys.readouterr().out) == PARAMS


def test_a_csv_of_several_is_one_file_with_a_line_each(tmp_path: Path) -> None:
    path = tmp_path / "best.csv"
    _write_params(PARAMS, FileFormat.CSV, path, is_list=True)
    assert list(csv.DictReader(path.read_text().splitlines())) == [
        {"lr": "0.1", "kind": "a,b"},
        {"lr": "0.2", "kind": ""},
    ]


@pytest.mark.parametrize("format", [FileFormat.CSV, FileFormat.JSON, FileFormat.YAML, FileFormat.PARQUET])
def test_a_place_that_cannot_be_written_is_said(format: FileFormat, tmp_path: Path) -> None:
    if format is FileFormat.PARQUET:
        pytest.importorskip("pyarrow")
    with pytest.raises(InputError, match="cannot be written: ") as refused:
        _write_rows([{"a": 1}], format, tmp_path / "none" / f"t.{format.value}")
    assert refused.value.hint == "choose another --output"


def test_rows_of_no_trial_are_an_empty_list(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    _write_rows([], FileFormat.JSON, path)
    assert json.loads(path.read_text()) == []
