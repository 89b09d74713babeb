"""A study comes from a file or from flags, never half from each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpotool.cli.commands.describe.create_study import _show, _spec
from hpotool.cli.output import Format
from hpotool.errors import InputError, StudyFileError

NO_FLAGS: dict[str, Any] = {
    "study": None, "objective": None, "command": None, "metrics": [], "constraints": [], "parameters": [],
    "trials": None, "timeout": None, "sampler": None, "seed": None, "pruner": None,
}  # fmt: skip
GOOD = NO_FLAGS | {
    "study": "s",
    "objective": "m:f",
    "metrics": ["loss:minimize"],
    "parameters": ["lr=float(0.1, 1)"],
}


def test_flags_alone_make_a_study() -> None:
    spec = _spec(None, GOOD | {"trials": "30", "timeout": "5m", "seed": "7"}, ["budget.failed=3"])
    assert (spec.name, spec.budget.trials, spec.budget.failed, spec.sampler.seed) == ("s", 30, 3, 7)


@pytest.mark.parametrize(
    "flag", [{"study": "s"}, {"trials": "3"}, {"metrics": ["a:minimize"]}, {"parameters": ["x=int(1, 2)"]}]
)
def test_a_file_and_flags_are_not_mixed(flag: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give either a study file or flags, not both") as refused:
        _spec(tmp_path / "my file.yaml", NO_FLAGS | flag, [])
    assert "--set KEY=VALUE" in (refused.value.hint or "")
    assert "'" in (refused.value.hint or ""), "a name with a blank can be pasted"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"study": ""}, "study"),
        ({"study": "my/study"}, "my-study"),
        ({"objective": None}, "objective"),
        ({"objective": "train.py"}, "objective"),
        ({"metrics": []}, "metric"),
        ({"metrics": ["loss"]}, "loss"),
        ({"metrics": ["loss:lower"]}, "lower"),
        ({"metrics": ["loss:minimize", "loss:maximize"]}, "loss"),
        ({"parameters": ["lr"]}, "lr"),
        ({"parameters": ["lr=float(1)"]}, "lr"),
        ({"parameters": ["lr=float(1, 0.1)"]}, "lr"),
        ({"parameters": ["lr=floot(0.1, 1)"]}, "floot"),
        ({"parameters": ["lr=float(0.1, 1)", "lr=float(0.1, 1)"]}, "lr"),
        ({"parameters": ["lr=float(0.1, 1"]}, "lr"),
        ({"trials": "many"}, "many"),
        ({"trials": "-3"}, "-3"),
        ({"trials": "1e3x"}, "1e3x"),
        ({"timeout": "30"}, "30"),
        ({"timeout": "5 minutes"}, "5 minutes"),
        ({"sampler": "bayes"}, "bayes"),
        ({"pruner": "mediann"}, "median"),
        ({"seed": "x"}, "x"),
        ({"constraints": ["size 50"]}, "size"),
    ],
)
def test_each_flag_that_is_wrong_is_named(flags: dict[str, Any], says: str) -> None:
    with pytest.raises(StudyFileError) as refused:
        _spec(None, GOOD | flags, [])
    assert says in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("assignment", ["", "budget", "=3", "budget.trials=", "budget.trials=x", "budgt.trials=3"])
def test_an_override_that_is_none_is_refused(assignment: str) -> None:
    with pytest.raises(StudyFileError):
        _spec(None, GOOD, [assignment])


@pytest.mark.parametrize("format", [Format.TABLE, Format.VALUE])
def test_a_script_gets_the_name_alone(format: Format, capsys: pytest.CaptureFixture[str]) -> None:
    _show("s-2026-01-01", format, is_new=True)
    _show(None, format, is_new=False)
    assert capsys.readouterr().out == "s-2026-01-01\n"


def test_data_say_what_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    _show("s", Format.JSON, is_new=True, previous=None, changed={"data": "1 file"})
    assert json.loads(capsys.readouterr().out) == {
        "study": "s", "is_new": True, "previous": None, "changed": {"data": "1 file"},
    }  # fmt: skip
