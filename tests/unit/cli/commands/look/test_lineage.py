from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from hpotool.analysis.origins.lineage import Lineage
from hpotool.cli.commands.look.lineage import lineage_answer, say_numbers
from hpotool.storage.fleet.origins import SharedOrigin

CODE = {
    "files": {"train.py": "c0de"},
    "commit": "0123456789abcdef",
    "tree": "t",
    "changes": "d1ff",
    "diff": "text",
}
ENVIRONMENT = {
    "python": "3.11",
    "gpus": ["H100", "H100"],
    "image": "registry/train:1",
    "packages": {"a": "1", "b": "2"},
}
DATA = {"rows": {"hash": "aa" * 32, "bytes": 1500, "count": 3}, "gone": {"trouble": "it is not there"}}
STUDY = SharedOrigin({}, {"code": CODE, "data": {**DATA, "rows": {"hash": "bb" * 32}}})
ORIGIN = SharedOrigin(
    {"code": "h1", "data": "h2"},
    {"code": CODE, "data": DATA, "environment": ENVIRONMENT},
    (0, 4),
    ("gpu7", "gpu8"),
)


def _drawn(trial: int | None, *origins: SharedOrigin) -> str:
    answer = lineage_answer(Lineage("s", trial, STUDY, origins))
    assert answer.picture is not None
    console = Console(file=io.StringIO(), width=100)
    console.print(answer.picture())
    file: Any = console.file
    return str(file.getvalue())


def test_a_trial_shows_code_environment_data_and_what_differs() -> None:
    drawn = _drawn(4, ORIGIN)
    for said in (
        *("train.py c0de", "0123456789ab, with uncommitted changes d1ff", "H100, H100", "registry/train:1"),
        *("2 (all with --format json)", "3 files, 1500B", "it is not there", "what differs from the study"),
    ):
        assert said in drawn
    assert "trials" not in drawn, "there is only this one"


def test_a_study_shows_which_trials_have_which_origin() -> None:
    same = SharedOrigin({}, {**STUDY.contents, "environment": None}, (1,), ("gpu9",))
    drawn = _drawn(None, ORIGIN, same)
    assert "0, 4" in drawn
    assert "its code and data are those of the study" in drawn
    assert "not recorded" in drawn


def test_without_a_record_it_says_so() -> None:
    answer = lineage_answer(Lineage("s", None, SharedOrigin({}, {}), ()))
    assert (answer.picture, answer.value) == (None, "")
    assert "no attempt has begun" in answer.empty


def test_rows_and_values_are_for_scripts() -> None:
    answer = lineage_answer(Lineage("s", None, STUDY, (ORIGIN,)))
    assert answer.value == "h1"
    assert answer.rows == [{"code": "h1", "data": "h2", "trials": 2, "hosts": "gpu7 gpu8", "differs": 1}]
    assert answer.data["origins"][0]["differs"]["data rows"] == {"study": "bb" * 8, "here": "aa" * 8}


@pytest.mark.parametrize(
    ("numbers", "said"), [([3], "3"), ([1, 2], "1, 2"), (list(range(20)), "0, 1, 2, 3, 4, 5, 6, 7, … (20 trials)")]
)
def test_many_trials_are_counted(numbers: list[int], said: str) -> None:
    assert say_numbers(numbers) == said
