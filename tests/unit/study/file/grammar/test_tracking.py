from datetime import timedelta

import pytest

from hpotool.errors import StudyFileError
from hpotool.study.file.grammar.tracking import check_mlflow_address, check_wandb_project
from hpotool.study.file.reader import read_study_data, read_study_file
from hpotool.study.file.resolved import spec_hash, to_document
from hpotool.study.occasion import OCCASIONS
from hpotool.study.spec import NotifySpec, StudySpec, TrackingSpec

START = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"


def read(text: str) -> StudySpec:
    spec = read_study_file(START + text)
    assert read_study_data(to_document(spec)) == spec
    return spec


def test_a_study_may_name_several_trackers() -> None:
    spec = read(
        "tracking: {mlflow: http://mlflow:5000, experiment: digits, tensorboard: runs, wandb: ann/digits}\n"
    )
    assert spec.tracking == TrackingSpec("http://mlflow:5000", "digits", "runs", "ann/digits")


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
        ("tracking: {wandb: 'https://ann:secret@wandb.ai/a/b'}\n", "must hold no key"),
        ("tracking: {wandb: 'a/b/c'}\n", "is no project of W&B; write it like digits"),
        ("tracking: {model: 'a/b'}\n", "cannot be a model's name in MLflow"),
        ("tracking: {artifacts: 5}\n", "expected a size with a unit"),
        ("tracking: {neptune: x}\n", "unknown key 'neptune' in tracking"),
        ("tracking: http://mlflow:5000\n", "expected tracking as a mapping, like {mlflow: http://"),
        ("notify: [don]\n", "expected done, stopped"),
        ("notify: done\n", "expected notify as a list"),
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


@pytest.mark.parametrize(
    "address",
    [
        "digits",
        "my team/digits 2",
        "https://wandb.ai/ann/digits",
        "https://forge.coreweave.com/wandb/ann/digits",
        "http://10.0.0.1:8080/ann/digits/",
    ],
)
def test_a_project_of_wandb_is_a_name_or_a_url(address: str) -> None:
    assert check_wandb_project(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "/", "a/b/c", "a//b", "what?", "a:b", "x" * 129, "https://wandb.ai/digits", "https://wandb.ai/a/b?c=1",
     "https://wandb.ai/a/b#c", "http://[::1"],
)  # fmt: skip
def test_what_is_no_project_of_wandb_is_told_from_one(address: str) -> None:
    with pytest.raises(ValueError, match="is no project of W&B; write it like digits"):
        check_wandb_project(address)


@pytest.mark.parametrize(
    ("text", "most"),
    [("", 0), ("model: digits", 10**9), ("artifacts: 2MB", 2 * 10**6), ("model: digits, artifacts: 1KiB", 1024)],
)
def test_files_are_sent_where_that_is_asked_for_and_so_many(text: str, most: int) -> None:
    assert read(f"tracking: {{{text}}}\n").tracking.most_bytes == most
