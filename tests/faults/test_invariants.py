"""The checks of the fault tests can fail: each finds the one thing that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.invariants import violations

GOOD_TRIALS = [
    (0, "COMPLETE", 0.5, 0, 1, False, False),
    (1, "FAIL", None, 1, 0, True, False),
    (2, "COMPLETE", 0.25, 1, 1, False, False),
    (3, "COMPLETE", 0.125, 3, 1, False, True),
]
GOOD_ATTEMPTS = [
    (0, 0, "complete", True, None),
    (1, 1, "lost", True, None),
    (2, 1, "complete", True, None),
]


class Rows:
    """Answers the three questions of the checks."""

    def __init__(self, trials, attempts, taken_over) -> None:
        self.answers = [trials, attempts, [(taken_over,)]]

    def run(self, _sql: str):
        return self.answers.pop(0)


def _violations(
    folder: Path, trials=GOOD_TRIALS, attempts=GOOD_ATTEMPTS, budget: int = 2, taken_over: int = 1, **options
) -> list[str]:
    (folder / "returned").write_text("0 0.5\n2 0.25\n")
    options = {"is_value_safe": True} | options
    return violations(Rows(trials, attempts, taken_over), budget, folder, "no-such-fleet", **options)


def _changed(rows, index: int, **changes):
    names = ("number", "state", "value", "root", "values", "retried", "taken")
    if len(rows[0]) == 5:
        names = ("number", "root", "outcome", "ended", "cancelled")
    row = dict(zip(names, rows[index], strict=True)) | changes
    return [*rows[:index], tuple(row.values()), *rows[index + 1 :]]


def test_a_good_study_violates_nothing(tmp_path: Path) -> None:
    assert _violations(tmp_path) == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"budget": 3}, "G1: 2 trials are finished, not 3"),
        ({"taken_over": 2}, "G1: 1 trials are taken over, 2 counted so"),
        ({"trials": _changed(GOOD_TRIALS, 3, taken=False), "taken_over": 0}, "G1: 3 trials are finished, not 2"),
        (
            {"trials": _changed(GOOD_TRIALS, 2, state="RUNNING"), "budget": 1, "is_value_safe": False},
            "still RUNNING",
        ),
        ({"attempts": _changed(GOOD_ATTEMPTS, 0, ended=False)}, "never ended"),
        ({"trials": _changed(GOOD_TRIALS, 1, retried=False)}, "never tried again"),
        ({"attempts": GOOD_ATTEMPTS + [(1, 1, "lost", True, None)] * 4}, "ended lost 5 times"),
        ({"trials": _changed(GOOD_TRIALS, 2, root=0), "is_value_safe": False}, "trial 0 has 2 results"),
        ({"trials": _changed(GOOD_TRIALS, 0, values=2)}, "trial 0 has 2 values"),
        ({"trials": _changed(GOOD_TRIALS, 0, value=0.75)}, "G2: trial 0 returned 0.5"),
        ({"trials": [*GOOD_TRIALS, (7, "FAIL", None, 7, 0, False, False)]}, "not dense"),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, wrong, sentence: str) -> None:
    assert any(sentence in found for found in _violations(tmp_path, **wrong))
