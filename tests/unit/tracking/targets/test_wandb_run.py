import math
from dataclasses import replace
from typing import Any

import pytest

from hpotool.tracking.targets.wandb_run import (
    SENT,
    config_of,
    exit_code_of,
    fingerprint,
    group_of,
    labels_of,
    rows_of,
    run_id,
    summary_of,
)
from hpotool.tracking.tracked_run import TrackedRun, describe_trial
from tests.tracked import ATTEMPT, exported_study, exported_trial


def run(text: str = "", **fields: Any) -> TrackedRun:
    return describe_trial(exported_study(text), exported_trial(**fields))


def test_a_trial_has_one_id_in_each_job() -> None:
    first, second = run(number=7), run(number=8)
    assert run_id("0f8fad5b-d9cb-469f-a165-70867728950e", first) == "0f8fad5bd9cb469f-7"
    assert run_id("0f8fad5b-d9cb-469f-a165-70867728950e", second) != run_id("job", first)


def test_parameters_stay_numbers_and_names_of_wandb_are_left_to_it() -> None:
    params = {"lr": 0.1, "deep": True, "none": None, "_wandb": 3, "hpotool": "x", "pair": (1, 2), "big": 2**70}
    config = config_of(run(params=params))
    assert {name: config[name] for name in config if name != "hpotool"} == {
        "lr": 0.1, "deep": True, "none": None, "own/_wandb": 3, "own/hpotool": "x", "pair": "[1, 2]",
        "big": str(2**70),
    }  # fmt: skip
    assert config["hpotool"]["outcome"] == "complete"
    assert config["hpotool"]["started"].startswith("2026-01-02T03:04:05")


def test_rows_are_in_the_order_of_steps_and_one_for_each() -> None:
    found = rows_of(run(steps={"loss": {5: 1.0, 2: 2.0}, "accuracy": {5: 0.5}}))
    assert list(found) == [2, 5]
    assert found[5]["steps/loss"] == 1.0
    assert found[5]["steps/accuracy"] == 0.5
    assert "steps/accuracy" not in found[2]


def test_a_summary_has_the_result_and_a_mark_of_all_that_was_sent() -> None:
    one = run(attributes={"n": math.nan, "_size": 3})
    summary = summary_of(one)
    assert (summary["loss"], summary["user/n"], summary["user/_size"]) == (0.25, "NaN", 3.0)
    assert summary[SENT] == fingerprint(one)
    assert "steps/loss" not in summary


@pytest.mark.parametrize(
    "change",
    [
        {"note": "look here"},
        {"status": "FAILED"},
        {"labels": {"owner": "eve"}},
        {"points": ()},
        {"values": {"lr": 0.2}},
        {"tags": {"hpotool.study": "letters"}},
    ],
)
def test_whatever_differs_has_another_mark(change: dict[str, Any]) -> None:
    one = run()
    assert fingerprint(replace(one, **change)) != fingerprint(one)
    assert fingerprint(run()) == fingerprint(one)


def test_tags_are_short_texts_and_two_long_ones_stay_two() -> None:
    labels = labels_of(run(f"tags: {{owner: ann, a: {'x' * 90}1, b: {'x' * 90}2}}\n"))
    assert labels[0] == "owner:ann"
    assert all(1 <= len(label) <= 64 for label in labels)
    assert len(set(labels)) == 3


def test_a_study_is_a_group_however_long_its_name() -> None:
    assert group_of(run()) == "digits"
    long = describe_trial(exported_study(name="n" * 300), exported_trial())
    assert len(group_of(long)) == 120


@pytest.mark.parametrize(
    ("state", "outcome", "code"),
    [("COMPLETE", "complete", 0), ("PRUNED", "pruned", 0), ("FAIL", "preempted", 0), ("FAIL", "error", 1)],
)
def test_only_what_failed_ends_as_failed(state: str, outcome: str, code: int) -> None:
    assert exit_code_of(run(state=state, attempts=({**ATTEMPT, "outcome": outcome},))) == code
