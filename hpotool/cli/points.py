"""Parameter values as people write them: ``lr=0.01 depth=6`` on the command line, or a CSV, JSON or YAML file."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from hpotool.errors import InputError, NotFoundError

_HINT = "give NAME=VALUE pairs for one point, or a .csv, .json or .yaml file of points"
_SUFFIXES = (".csv", ".json", ".yaml", ".yml")


def read_points(words: Sequence[str]) -> list[dict[str, Any]]:
    """The points that ``words`` name, each a mapping from parameter to value, in order.

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
                f"{name!r} is given twice", "give each parameter once; enqueue two points from a file"
            )
        point[name] = _scalar(text)
    return [point]


def _read_file(path: Path) -> list[dict[str, Any]]:
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"{str(path)!r} is neither NAME=VALUE nor a file of points", _HINT)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFoundError(f"the file {path} does not exist", _HINT) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the file {path} cannot be read: {error}", _HINT) from None
    points = _parse_csv(path, text) if path.suffix.lower() == ".csv" else _parse_data(path, text)
    if not points:
        raise InputError(f"the file {path} holds no points", _HINT)
    return points


def _parse_csv(path: Path, text: str) -> list[dict[str, Any]]:
    points = []
    for line, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        if None in row or None in row.values():
            raise InputError(f"{path}:{line}: this line has not as many values as the header has names", _HINT)
        # An empty cell is a parameter that the point leaves to the sampler.
        points.append({str(name).strip(): _scalar(cell) for name, cell in row.items() if cell.strip() != ""})
    return points


def _parse_data(path: Path, text: str) -> list[dict[str, Any]]:
    try:
        data = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise InputError(f"the file {path} cannot be read: {' '.join(str(error).split())}", _HINT) from None
    points = [data] if isinstance(data, dict) else data
    if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        raise InputError(f"the file {path} is not a list of mappings from parameter to value", _HINT)
    if path.suffix.lower() == ".json":
        return points
    return [{str(name): _exponent_or_same(value) for name, value in point.items()} for point in points]


def _scalar(text: str) -> Any:
    """A value as YAML reads it."""
    try:
        value = yaml.safe_load(text) if text.strip() else text
    except yaml.YAMLError:
        return text
    return _exponent_or_same(value) if not isinstance(value, (dict, list)) else text


def _exponent_or_same(value: Any) -> Any:
    """1e-5 is a number everywhere but in YAML 1.1, which wants 1.0e-5 and reads text otherwise."""
    is_exponent = isinstance(value, str) and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+", value)
    return float(value) if is_exponent else value
