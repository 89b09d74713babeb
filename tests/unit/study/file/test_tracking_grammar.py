from datetime import timedelta

import pytest

from hpotool.errors import StudyFileError
from hpotool.study.file.reader import read_study_data, read_study_file
from hpotool.study.file.resolved import spec_hash, to_document
from hpotool.study.file.tracking_grammar import check_mlflow_address
from hpotool.study.occasion import OCCASIONS
from hpotool.study.spec import NotifySpec, StudySpec, TrackingSpec

START = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"


def read(text: str) -> StudySpec:
    spec = read_study_file(START + text)
    assert read_study_data(to_document(spec)) == spec
    return spec


def test_a_study_may_name_several_trackers() -> None:
    spec = read("tracking: {mlflow: http://mlflow:5000, experiment: digits, tensorboard: runs}\n")
    assert spec.tracking == TrackingSpec("http://mlflow:5000", "digits", "runs")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("notify: [done, stopped]\n", NotifySpec(("done", "stopped"))),
        ("notify: []\n", NotifySpec(())),
        ("notify: {best_every: 6h}\n", NotifySpec(best_every=timedelta(hours=6))),
        ("notify: {events: [best], best_every: 10m}\n", NotifySpec(("best",), timedelta(minutes=10))),
        ("", NotifySpec(tuple(OCCASIONS))),
    ],
)
def test_a_study_says_what_people_are_told(text: str, expected: NotifySpec) -> None:
    assert read(text).notify == expected


def test_a_study_without_them_keeps_its_hash() -> None:
    assert set(to_document(read(""))).isdisjoint({"tracking", "notify"})
    assert spec_hash(read("tracking: {}\nnotify: {}\n")) == spec_hash(read(""))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tracking: {mlflow: 'http://ann:secret@mlflow:5000'}\n", "must hold no password"),
        ("tracking: {mlflow: mlflow.example.org}\n", "is no address of MLflow; write it like http://"),
        ("tracking: {mlflow: 'http://[::1'}\n", "is no address of MLflow"),
        ("tracking: {wandb: x}\n", "unknown key 'wandb' in tracking"),
        ("tracking: http://mlflow:5000\n", "expected tracking as a mapping, like {mlflow: http://"),
        ("notify: [don]\n", "expected done, stopped"),
        ("notify: done\n", "expected notify as a mapping"),
        ("notify: {best_every: 0s}\n", "must be longer than zero"),
    ],
)
def test_what_cannot_be_used_is_said_at_its_place(text: str, said: str) -> None:
    with pytest.raises(StudyFileError, match=r"file:4:\d+: .*" + said.replace("[", r"\[")) as raised:
        read_study_file(START + text, "file")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    ["https://m.example.org/sub", "http://127.0.0.1:5000", "sqlite:///mlflow.db", "databricks", "databricks://me"],
)
def test_every_kind_of_address_of_mlflow_is_taken(address: str) -> None:
    assert check_mlflow_address(address) == address
