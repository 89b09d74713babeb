"""Reads a CSV file of trials as a study: from ``hpotool export trials``, Optuna's data frames, or people."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast, get_args

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from hpotool.errors import InputError
from hpotool.storage.moving.sources import SourceStudy
from hpotool.storage.optuna.stored_trial import to_local_time
from hpotool.study.doors import LARGEST_EXACT
from hpotool.study.phase import PHASE_ATTRIBUTE, Phase, Reevaluation
from hpotool.study.wording import count_of
from hpotool.study.yaml.document import did_you_mean, parse_scalar
from hpotool.user_files import read_text_file

_HINT = "hpotool import trials.csv --study NAME --metric loss:minimize"
_IGNORED = {"number", "state", "datetime_start", "datetime_complete", "duration", "duration_s", "", "outcome",
            "reason", "worker", "host", "attempts", "value"}  # fmt: skip
_REEVALUATION = ("phase", "point", "replicate")  # of trials beside the search; only together
_PREFIXES = ("params_", "values_", "user_attrs_", "system_attrs_", "constraints_", "lineage_", "reused_")

Row = Mapping[str, str]


def read_csv_study(file: str, names: Sequence[str], metrics: Sequence[str]) -> SourceStudy:
    """The study in ``file``; ``metrics`` are ``NAME:direction``, each a column.

    Raises:
        NotFoundError: there is no such file.
        InputError: its name or its metrics are not given, or a line is not a valid trial.
    """
    path = Path(file)
    rows = _read_rows(path)
    if len(names) != 1:
        raise InputError(f"a study from {file} needs a name", _HINT)
    columns = list(rows[0])
    directions = _directions(metrics, columns, file)
    named = [column for column in columns if column.startswith("params_")]
    marks = _REEVALUATION if set(_REEVALUATION) <= set(columns) else ()
    taken = {*_IGNORED, *directions, *marks}
    free = [c for c in columns if c not in taken and not c.startswith(_PREFIXES)]
    params = {column: column.removeprefix("params_") for column in named or free}
    values = {column: [_value(row[column]) for row in rows if row[column].strip()] for column in params}
    space = {column: _distribution(values[column]) for column in params if values[column]}
    trials = [_trial(number, row, path, directions, params, space) for number, row in enumerate(rows)]
    if marks:
        for row, trial in zip(rows, trials, strict=True):
            _mark_apart(trial, row, f"{path}: trial {trial.number}")
    metric_names = [name for name, _ in directions.values()]
    return SourceStudy(
        str(path.resolve()),
        names[0],
        [direction for _, direction in directions.values()],
        trials,
        system_attrs={"study:metric_names": metric_names},
    )


def _read_rows(path: Path) -> list[dict[str, str]]:
    text = read_text_file(path, hint=lambda: _HINT)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [name.strip() for name in next(reader, [])]
        lines = [(reader.line_num, line) for line in reader if line]
    except csv.Error as error:
        raise InputError(f"the file {path} cannot be read: {error}", _HINT) from None
    if not lines:
        raise InputError(f"the file {path} contains no trials", _HINT)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}:1: duplicate column {twice!r}", "keep one column of each name")
    for number, line in lines:
        if len(line) != len(names):
            values = count_of(len(line), "value")
            sentence = f"this line has {values}, but the header has {count_of(len(names), 'name')}"
            raise InputError(f"{path}:{number}: {sentence}", "put values with a comma in quotes")
    return [dict(zip(names, line, strict=True)) for _, line in lines]


def _directions(metrics: Sequence[str], columns: Sequence[str], file: str) -> dict[str, tuple[str, str]]:
    """The metrics' columns, each with the metric's name and direction."""
    if not metrics:
        raise InputError(f"{file} does not say which columns were minimized or maximized", _HINT)
    found = {}
    for text in metrics:
        name, _, direction = text.rpartition(":")
        if not name or direction not in ("minimize", "maximize"):
            raise InputError(f"--metric {text}: expected NAME:minimize or NAME:maximize", _HINT)
        column = next((each for each in (name, f"values_{name}") if each in columns), None)
        if column is None:
            raise InputError(f"--metric {text}: {file} has no column {name!r}{did_you_mean(name, columns)}", _HINT)
        found[column] = (name.removeprefix("values_"), direction.upper())
    return found


def _distribution(values: Sequence[Any]) -> BaseDistribution:
    """The smallest distribution that contains all the values: a range, or choices."""
    if all(type(value) is int and abs(value) <= LARGEST_EXACT for value in values):
        return IntDistribution(min(values), max(values))
    is_exact = all(type(value) is not int or abs(value) <= LARGEST_EXACT for value in values)
    if is_exact and all(type(value) in (int, float) and math.isfinite(value) for value in values):
        return FloatDistribution(float(min(values)), float(max(values)))
    return CategoricalDistribution(list(dict.fromkeys(values)))


def _trial(
    number: int,
    row: Row,
    path: Path,
    directions: Mapping[str, tuple[str, str]],
    params: Mapping[str, str],
    space: Mapping[str, BaseDistribution],
) -> FrozenTrial:
    where = f"{path}: trial {number}"
    values = [_number(row[column], f"{where}, {column}") for column in directions]
    state = _state(row, values, where)
    own = {column: _value(row[column]) for column in space if row[column].strip()}
    floats = {c: _as_chosen(space[c], value) for c, value in own.items()}
    is_measured = state is TrialState.COMPLETE
    trial = FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=None,
        values=[value for value in values if value is not None] if is_measured else None,
        datetime_start=_time(row.get("datetime_start"), where),
        datetime_complete=_time(row.get("datetime_complete"), where),
        params={params[column]: value for column, value in floats.items()},
        distributions={params[column]: space[column] for column in own},
        user_attrs=_attributes(row, "user_attrs_"),
        system_attrs=_attributes(row, "system_attrs_"),
        intermediate_values={},
    )
    for column, text in row.items():
        violation = _number(text, f"{where}, {column}") if column.startswith("constraints_") else None
        if violation is not None:
            trial._system_attrs[f"constraints:{column.removeprefix('constraints_')}"] = violation
    return trial


def _mark_apart(trial: FrozenTrial, row: Row, where: str) -> None:
    """Keep a replicate or a final training apart from the search, as it was in the study that was exported."""
    phase, point, replicate = (row[column].strip() for column in _REEVALUATION)
    if phase in ("", "search"):
        return
    if phase not in get_args(Phase):
        raise InputError(f"{where}: {phase!r} is not a phase", f"phases are {', '.join(get_args(Phase))}")
    number = _number(replicate, f"{where}, replicate")
    if number is None or number < 0 or not number.is_integer():
        raise InputError(f"{where}: {replicate!r} is not the number of a replicate", "the first one is 0")
    mark = Reevaluation(cast("Phase", phase), point, int(number))
    trial._system_attrs[PHASE_ATTRIBUTE] = mark.to_attribute()


def _value(text: str) -> Any:
    """A parameter as in a study file, but text to its last character: YAML would take ``#1`` for a comment."""
    value, plain = parse_scalar(text), text.strip()
    return plain if isinstance(value, str) and plain[:1] not in ("'", '"') else value


def _as_chosen(distribution: BaseDistribution, value: Any) -> Any:
    return float(value) if isinstance(distribution, FloatDistribution) else value


def _number(text: str, where: str) -> float | None:
    if not text.strip():
        return None
    try:
        number = float(text)
    except ValueError:
        raise InputError(f"{where}: {text!r} is not a number", "correct it, or leave the cell empty") from None
    return None if math.isnan(number) else number


def _state(row: Row, values: Sequence[float | None], where: str) -> TrialState:
    """The state in the file; if there is none, complete for a trial with all its values, else failed."""
    is_measured = None not in values
    text = row.get("state", "").strip().upper()
    if not text:
        return TrialState.COMPLETE if is_measured else TrialState.FAIL
    if text not in TrialState.__members__:
        written = row["state"].strip()
        raise InputError(f"{where}: {written!r} is not a state", f"states are {', '.join(TrialState.__members__)}")
    if text == "COMPLETE" and not is_measured:
        raise InputError(f"{where} is complete but has no value", "add its value, or set its state to FAIL")
    return TrialState[text]


def _time(text: str | None, where: str) -> datetime | None:
    """A naive local time, as in Optuna; a time without a zone is taken as local."""
    if not text or not text.strip():
        return None
    try:
        time = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return time if time.tzinfo is None else to_local_time(time.astimezone(timezone.utc))
    except (ValueError, OverflowError):
        raise InputError(f"{where}: {text!r} is not a time", "write it like 2026-03-31T12:00:00+00:00") from None


def _attributes(row: Row, prefix: str) -> dict[str, Any]:
    found = {}
    for column, text in row.items():
        if column.startswith(prefix) and text.strip():
            try:
                found[column.removeprefix(prefix)] = json.loads(text)
            except (ValueError, RecursionError):
                found[column.removeprefix(prefix)] = text
    return found
