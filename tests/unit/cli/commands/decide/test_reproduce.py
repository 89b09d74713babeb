"""A lock file is read or refused with a sentence, and what a run gave is said in one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpotool.cli.commands.decide.reproduce import _differences_of_environment, _read_lock, _say
from hpotool.errors import InputError
from hpotool.origins.environment import read_environment
from hpotool.study.origins.recipe import Recipe

RECIPE: dict[str, Any] = {
    "hpotool": "0.1.0", "study": {"study": "s"}, "number": 7, "params": {"lr": 0.1}, "seed": 1, "apart": None,
    "state": "COMPLETE", "outcome": "complete", "values": {"loss": 0.5}, "reports": {}, "code": {}, "data": None,
    "environment": None,
}  # fmt: skip


def lock(folder: Path, text: str) -> Path:
    path = folder / "lock.json"
    path.write_text(text)
    return path


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    recipe = _read_lock(lock(tmp_path, json.dumps(Recipe.of(RECIPE).as_data())))
    assert (recipe.number, recipe.params, recipe.values) == (7, {"lr": 0.1}, {"loss": 0.5})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read: Expecting value"),
        ("{", "cannot be read: Expecting property name"),
        ("[]", "it is no lock file of hpotool reproduce"),
        ("null", "it is no lock file of hpotool reproduce"),
        ('"text"', "it is no lock file of hpotool reproduce"),
        ("{}", "it is no lock file of hpotool reproduce"),
        (json.dumps({**RECIPE, "colour": "red"}), "or one of another version"),
        (json.dumps({**RECIPE, "format": 9}), "it has format 9, and this hpotool reads 1"),
    ],
)
def test_what_is_no_lock_file_is_refused(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says) as refused:
        _read_lock(lock(tmp_path, text))
    assert "lock.json" in refused.value.message


def test_a_lock_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lock.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        _read_lock(path)


def test_a_lock_file_that_is_not_there_or_a_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file or directory"):
        _read_lock(tmp_path / "none.json")
    with pytest.raises(InputError, match="Is a directory"):
        _read_lock(tmp_path)


@pytest.mark.parametrize(
    ("values", "differences", "said"),
    [
        ({"loss": 0.5}, [], "trial 7 of s gave the same again: loss 0.5"),
        ({"loss": 0.5, "size": 3}, [], "trial 7 of s gave the same again: loss 0.5, size 3"),
        ({}, [], "trial 7 of s gave the same again: pruned"),
        ({}, ["loss is 1", "size is 2"], "trial 7 of s gave something else: loss is 1; size is 2"),
    ],
)
def test_the_end_is_a_sentence(values: dict[str, float], differences: list[str], said: str) -> None:
    data = {
        "study": "s", "trial": 7, "outcome": "pruned", "values": values, "is_same": not differences,
        "differences": differences,
    }  # fmt: skip
    assert _say(data) == said


def test_what_is_another_environment_is_said_and_an_unknown_one_is_not() -> None:
    assert _differences_of_environment(Recipe.of(RECIPE)) == []
    here = read_environment()
    assert _differences_of_environment(Recipe.of({**RECIPE, "environment": here})) == []
    other = {**here, "python": "2.7.18"}
    [said] = _differences_of_environment(Recipe.of({**RECIPE, "environment": other}))
    assert said.endswith("and was 2.7.18")
