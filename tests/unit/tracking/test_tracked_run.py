import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpotool.storage.tracking.exported import REPORTS_ATTRIBUTE
from hpotool.study.phase import Reevaluation
from hpotool.tracking.kept_files import KeptFiles
from hpotool.tracking.tracked_run import describe_study, describe_trial, status_of, values_by_trial
from hpotool.worker.process import protocol
from tests.tracked import ATTEMPT, BEGAN, exported_study, exported_trial, final_training


def ended(outcome: str) -> dict[str, Any]:
    return {"attempts": ({**ATTEMPT, "outcome": outcome, "reason": f"because of {outcome}"},)}


@pytest.mark.parametrize(
    ("state", "outcome", "status"),
    [
        ("RUNNING", None, "RUNNING"),
        ("COMPLETE", "complete", "FINISHED"),
        ("PRUNED", "pruned", "KILLED"),
        ("PRUNED", "oom", "KILLED"),  # where running out of memory is an answer
        ("FAIL", "error", "FAILED"),
        ("FAIL", "crash", "FAILED"),
        ("FAIL", "lost", "FAILED"),
        ("FAIL", "preempted", "KILLED"),
        ("FAIL", "cancelled", "KILLED"),
        ("FAIL", "of a newer hpotool", "FAILED"),
    ],
)
def test_each_end_has_its_status(state: str, outcome: str | None, status: str) -> None:
    assert status_of(exported_trial(state=state, **ended(outcome or ""))) == status


def test_a_trial_of_plain_optuna_has_a_status_too() -> None:
    assert status_of(exported_trial(state="FAIL", attempts=())) == "FAILED"
    run = describe_trial(exported_study(), exported_trial(attempts=()))
    assert run.tags["hpotool.outcome"] == "complete"
    assert "hpotool.worker" not in run.tags


def test_a_trial_is_told_with_all_that_is_known_of_it() -> None:
    study = exported_study("tags: {owner: ann, mlflow.user: eve}\nbudget: {cost: 9, prices: {H100: 2}}\n")
    trial = exported_trial(
        7,
        attributes={"size": 12, "note": {"a": [1]}, "ok": True, "loss": 9.0},
        violations={"latency": -2.0},
        lineage=(3, 5),
        source=2,
        cost=0.04,
    )
    run = describe_trial(study, trial)
    points = {point.name: (point.step, point.value) for point in run.points if not point.name.startswith("steps/")}
    assert points == {
        "loss": (2, 0.25),
        "user/size": (2, 12.0),
        "user/loss": (2, 9.0),  # an attribute is not taken for the metric
        "constraint/latency": (2, -2.0),
        "cost/duration_s": (2, 36.0),
        "cost/gpu_hours": (2, 0.02),
        "cost/price": (2, 0.04),
        "system/gpu_peak_memory_bytes": (2, 2048.0),
    }
    assert [(p.step, p.value, p.at) for p in run.points if p.name == "steps/loss"] == [
        (0, 3.0, trial.started), (1, 2.0, trial.started), (2, 0.25, trial.started)
    ]  # fmt: skip
    assert run.params == {"lr": "0.1", "kind": "b"}
    assert run.tags == {
        "owner": "ann", "tag.mlflow.user": "eve", "user.note": '{"a": [1]}', "user.ok": "True",
        "hpotool.study": "digits", "hpotool.trial": "7",
        "hpotool.state": "COMPLETE", "hpotool.outcome": "complete",
        "hpotool.worker": "w1", "hpotool.host": "gpu7", "hpotool.slot": "gpu 0,1 (NVIDIA H100)",
        "hpotool.attempt": "3", "hpotool.retry_of": "5", "hpotool.first_trial": "3", "hpotool.goes_on_from": "2",
    }  # fmt: skip
    assert (run.name, run.status, run.started, run.ended) == ("trial 7", "FINISHED", trial.started, trial.ended)


def test_a_trial_is_told_with_what_it_comes_from_and_whose_result_it_has() -> None:
    origin = {"code": "h1", "commit": "c1", "data": "h2", "data_hashes": {"rows.csv": "d1"}, "image": "a:1"}
    trial = exported_trial(7, origin=origin, reused={"study": "old", "trial": 3})
    tags = describe_trial(exported_study(), trial).tags
    assert {name: tags[f"hpotool.{name}"] for name in ("code", "commit", "data", "data.rows.csv", "image")} == {
        "code": "h1", "commit": "c1", "data": "h2", "data.rows.csv": "d1", "image": "a:1"
    }  # fmt: skip
    assert (tags["hpotool.reused_study"], tags["hpotool.reused_trial"]) == ("old", "3")


def test_what_a_running_trial_was_sent_as_is_the_beginning_of_what_it_ends_as() -> None:
    study, whole = exported_study(), exported_trial()
    runs = [
        describe_trial(study, replace(whole, state="RUNNING", ended=None, values={}, steps={"loss": dict(some)}))
        for some in ([], [(0, 3.0)], [(0, 3.0), (1, 2.0)])
    ]
    final = describe_trial(study, whole)
    for run in runs:
        assert run.points == final.points[: len(run.points)]
        assert run.ended is None
    assert [len(run.points) for run in runs] == [0, 1, 2]


def test_the_last_report_of_a_pruned_trial_is_not_taken_for_its_result() -> None:
    names = [point.name for point in describe_trial(exported_study(), exported_trial(state="PRUNED")).points]
    assert "loss" not in names
    assert names.count("steps/loss") == 3


def test_values_that_are_not_finite_are_values() -> None:
    trial = exported_trial(
        values={"loss": math.inf}, steps={"loss": {1: math.nan}}, attributes={"big": 10**400, "n": math.nan}
    )
    points = {point.name: point.value for point in describe_trial(exported_study(), trial).points}
    assert points["loss"] == math.inf
    assert math.isnan(points["steps/loss"])
    assert math.isnan(points["user/n"])
    assert "user/big" not in points  # no float holds it; it is told as a text
    assert describe_trial(exported_study(), trial).tags["user.big"].startswith("1000")


def test_odd_names_are_told_by_what_they_became() -> None:
    trial = exported_trial(params={"lr %": 1, "../x": 2, "fine": 3}, values={"loss": 1.0})
    run = describe_trial(exported_study(), trial)
    assert len(run.params) == 3
    assert "fine" in run.params
    assert '"lr %"' in run.tags["hpotool.renamed"]
    assert "hpotool.renamed" not in describe_trial(exported_study(), exported_trial()).tags


def test_long_values_are_cut_to_what_trackers_take() -> None:
    run = describe_trial(
        exported_study(), exported_trial(params={"text": "x" * 9000}, attributes={"log": "y" * 9000})
    )
    assert len(run.params["text"]) == 6000
    assert len(run.tags["user.log"]) == 5000


@pytest.mark.parametrize(
    ("fields", "status", "ends"),
    [
        ({"state": "running"}, "RUNNING", False),
        ({"state": "paused"}, "RUNNING", False),
        ({"state": "done"}, "FINISHED", True),
        ({"state": "done", "running": 1}, "RUNNING", False),  # what runs is still handed back
        ({"state": "stopped"}, "KILLED", True),
    ],
)
def test_a_study_is_a_run_with_a_status_of_its_own(fields: dict[str, Any], status: str, ends: bool) -> None:
    run = describe_study(exported_study("description: digits again\n", **fields), BEGAN)
    assert (run.status, run.ended) == (status, BEGAN if ends else None)
    assert run.note == "digits again"
    assert run.tags["hpotool.direction.loss"] == "minimize"


def test_a_study_shows_the_values_of_its_complete_trials_by_number() -> None:
    [point] = values_by_trial(exported_trial(4))
    assert (point.name, point.value, point.step, point.at) == ("loss", 0.25, 4, exported_trial(4).ended)
    assert list(values_by_trial(exported_trial(state="PRUNED"))) == []
    assert list(values_by_trial(exported_trial(4, reevaluation=Reevaluation("confirm", "trial 1", 0)))) == []


def test_a_trial_beside_the_search_says_what_it_is_for() -> None:
    replicate = describe_trial(
        exported_study(), exported_trial(4, reevaluation=Reevaluation("confirm", "trial 1", 0))
    )
    assert (replicate.name, replicate.kept) == ("trial 4", None)
    assert (replicate.tags["hpotool.phase"], replicate.tags["hpotool.point"]) == ("confirm", "trial 1")
    final = describe_trial(
        exported_study(), exported_trial(5, **final_training(Path("/kept"), {"a/b.pt": 3, "c": 4}))
    )
    assert final.name == "final_model"
    assert final.kept == KeptFiles("/kept", (("a/b.pt", 3), ("c", 4)))
    assert final.tags["hpotool.artifacts"] == "/kept"
    search = describe_trial(exported_study(), exported_trial(6))
    assert "hpotool.phase" not in search.tags


def test_a_final_training_that_failed_kept_nothing() -> None:
    fields = {**final_training(Path("/kept"), {"a": 1}), "state": "FAIL"}
    assert describe_trial(exported_study(), exported_trial(5, **fields)).kept is None


def test_reports_of_further_metrics_are_read_where_workers_write_them() -> None:
    assert REPORTS_ATTRIBUTE == protocol.REPORTS_ATTRIBUTE


def test_what_people_said_of_study_and_trial_goes_with_the_run() -> None:
    study = exported_study("description: digits\ntags: {owner: ann, kind: all}\n", note="stop *soon*")
    run = describe_trial(study, exported_trial(tags={"kind": "small", "hpotool.x": "y"}, note="keep"))
    assert run.labels == {"owner": "ann", "kind": "small", "hpotool.x": "y"}
    assert {key: run.tags[key] for key in ("owner", "kind", "tag.hpotool.x")} == {
        "owner": "ann", "kind": "small", "tag.hpotool.x": "y"
    }  # fmt: skip
    assert run.note == "keep"
    assert describe_study(study, None).note == "digits\n\nstop *soon*"
    assert describe_study(exported_study(), None).note == ""
    assert len(describe_trial(study, exported_trial(note="z" * 9000)).note) == 5000
