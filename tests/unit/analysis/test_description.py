from typing import Any

import optuna
import pytest

from hpotool.analysis.description import describe_plain_study, describe_study
from hpotool.storage.control.studies import StudyProgress, StudySummary
from hpotool.study.file.reader import read_study_data, read_study_file
from hpotool.study.file.resolved import to_document

SPEC = read_study_file(
    "study: s\nobjective: {python: m:f}\nmetrics: {b: minimize, a: maximize}\nconstraints: {mb: '<= 8'}\n"
    "search_space:\n  lr: {float: [0.1, 1], log: true}\n  k: {choice: [x, y]}\n  n: {int: [1, 3], when: {k: x}}\n"
)


def progress(*beats_s: float) -> StudyProgress:
    workers: Any = tuple({"id": str(number), "last_beat_s": beat} for number, beat in enumerate(beats_s))
    return StudyProgress({}, "running", None, None, workers=workers)


def test_what_has_an_order_is_shown_as_a_mapping_in_it() -> None:
    data = describe_study(SPEC, progress()).as_data()
    assert list(data["metrics"].items()) == [("b", "minimize"), ("a", "maximize")]
    assert list(data["search_space"]) == ["lr", "k", "n"]
    assert data["constraints"] == {"mb": "<= 8.0"}
    assert (data["state"], data["workers"]) == ("running", 0)


def test_the_settings_are_those_that_are_stored() -> None:
    settings = describe_study(SPEC, progress()).settings
    assert settings == to_document(SPEC)
    assert read_study_data(settings) == SPEC


def test_each_parameter_has_its_kind_its_range_and_the_rest() -> None:
    rows = describe_study(SPEC, progress()).parameters()
    assert [(row["parameter"], row["kind"], row["range"]) for row in rows] == [
        ("lr", "float", [0.1, 1.0]),
        ("k", "choice", ["x", "y"]),
        ("n", "int", [1, 3]),
    ]
    assert rows[0]["log"] is True
    assert rows[2]["when"] == {"k": ["x"]}


@pytest.mark.parametrize(("beats_s", "workers"), [((), 0), ((1.0, 2.0), 2), ((1.0, 1e6), 1)])
def test_workers_that_are_gone_are_not_counted(beats_s: tuple[float, ...], workers: int) -> None:
    assert describe_study(SPEC, progress(*beats_s)).workers == workers


def test_a_study_of_plain_optuna_is_described_by_what_its_trials_show() -> None:
    study = optuna.create_study(study_name="plain")
    study.set_user_attr("owner", "ann")
    study.optimize(
        lambda trial: trial.suggest_float("lr", 0.1, 1, log=True) + trial.suggest_int(f"n{trial.number}", 1, 3),
        n_trials=2,
    )
    summary = StudySummary("plain", {"value": "minimize"}, {"COMPLETE": 2})
    data = describe_plain_study(study, StudyProgress(summary, "running", None, None, workers=()))
    assert [(row["parameter"], row["scale"], row["trials"]) for row in data["search_space"]] == [
        ("lr", "log", 2),
        ("n0", None, 1),
        ("n1", None, 1),
    ]
    assert (data["study"], data["metrics"], data["trials"]) == ("plain", {"value": "minimize"}, {"COMPLETE": 2})
    assert (data["state"], data["workers"], data["user_attributes"]) == ("running", 0, {"owner": "ann"})
