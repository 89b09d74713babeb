"""Points given by people: ``lr=0.01 depth=6`` on the command line, or a CSV, JSON or YAML file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpotool.errors import InputError, StudyFileError
from hpotool.study.yaml.document import parse_scalar, parse_yaml
from hpotool.user_files import read_text_file

_HINT = "give NAME=VALUE pairs for one point, or a .csv, .json or .yaml file of points"
_SUFFIXES = (".csv", ".json", ".yaml", ".yml")


def read_points(words: Sequence[str]) -> list[dict[str, Any]]:
    """The points given by ``words``, in order, each a mapping from parameter to value.

    Raises:
        InputError: the words or the file's content are not points.
        NotFoundError: the file does not exist.
    """
    if not words:
        raise InputError("no point is given", _HINT)
    if len(words) == 1 and "=" not in words[0]:
        return _read_file(Path(words[0]))
    point: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise InputError(f"{word!r} is not NAME=VALUE", _HINT)
        if name in point:
            raise InputError(
                f"parameter {name!r} is given twice",
                "give each parameter once; to queue several points, use a file",
            )
        point[name] = parse_scalar(text)
    return [point]


def _read_file(path: Path) -> list[dict[str, Any]]:
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"{str(path)!r} is neither NAME=VALUE nor a file of points", _HINT)
    text = read_text_file(path, hint=lambda: _HINT)
    is_empty = all(line.strip() == "" or line.lstrip().startswith("#") for line in text.splitlines())
    points = [] if is_empty else _parse(path, text)
    if not points:
        raise InputError(f"the file {path} contains no points", _HINT)
    return points


def _parse(path: Path, text: str) -> list[dict[str, Any]]:
    try:
        return _parse_csv(path, text) if path.suffix.lower() == ".csv" else _parse_data(path, text)
    except StudyFileError as error:
        raise InputError(error.message, _HINT) from None
    except (ValueError, csv.Error, RecursionError) as error:  # JSON, or an integer of too many digits in it
        raise InputError(f"the file {path} cannot be read: {' '.join(str(error).split())}", _HINT) from None


def _parse_csv(path: Path, text: str) -> list[dict[str, Any]]:
    reader = csv.reader(io.StringIO(text, newline=""))
    names = [name.strip() for name in next(reader)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}:1: duplicate column {twice!r}", "keep one column of each name")
    points = []
    for row in filter(None, reader):
        if len(row) != len(names):
            sentence = f"this line has {len(row)} values, but the header has {len(names)} names"
            raise InputError(f"{path}:{reader.line_num}: {sentence}", _HINT)
        # An empty cell leaves the parameter to the sampler.
        points.append({name: parse_scalar(cell) for name, cell in zip(names, row, strict=True) if cell.strip()})
    return points


def _parse_data(path: Path, text: str) -> list[dict[str, Any]]:
    data: Any = json.loads(text) if path.suffix.lower() == ".json" else parse_yaml(text, str(path)).plain()
    points = [data] if isinstance(data, dict) else data
    if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        raise InputError(f"the file {path} is not a list of mappings from parameter to value", _HINT)
    return points
