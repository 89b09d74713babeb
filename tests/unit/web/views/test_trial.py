"""A trial's page: its log or where that is, its checkpoints, its curve."""

from __future__ import annotations

import socket
from pathlib import Path
from xml.etree import ElementTree

import optuna
import pytest

from hpotool.settings import study_folder_name
from hpotool.web.views.trial import draw_steps, list_checkpoints, list_moves, show_log
from tests.unit.analysis.studies import make_study

HERE = socket.gethostname()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPOTOOL_HOME", str(tmp_path))
    return tmp_path


def attempt(host: str = HERE, outcome: str | None = None, tail: str | None = None) -> dict[str, object]:
    return {"host": host, "outcome": outcome, "output_tail": tail}


def write_log(home: Path, text: str) -> None:
    folder = home / "logs" / study_folder_name("s/1") / "worker"
    folder.mkdir(parents=True)
    (folder / "trial-00003-attempt.log").write_text(text)


def test_a_log_on_this_machine_is_shown_and_its_place_is_named(home: Path) -> None:
    write_log(home, "epoch 1\n")
    log = show_log("s/1", 3, [attempt()])
    assert log.text == "epoch 1\n"
    assert f"on {HERE}" in log.where
    assert "The last" not in log.where


def test_of_a_long_log_only_the_end_is_shown(home: Path) -> None:
    write_log(home, "x" * 99 + "\n" + ("y" * 99 + "\n") * 2000)
    log = show_log("s/1", 3, [attempt()])
    assert log.text is not None
    assert "x" not in log.text
    assert log.where.startswith("The last 31 KiB of 195 KiB; ")


@pytest.mark.parametrize(
    ("attempts", "text", "where"),
    [
        ([], None, "no attempt yet"),
        ([attempt("far")], None, "on far, where it runs"),
        ([attempt(HERE)], None, "not below"),
        ([attempt("far", "error", "Traceback")], "Traceback", "the whole log is on far"),
        ([attempt(HERE, "error", None)], "", "no longer, below"),
        ([attempt("far", "error", "first"), attempt("near", "complete", "second")], "second", "near"),
    ],
)
def test_elsewhere_the_page_says_where_the_log_is(
    home: Path, attempts: list[dict[str, object]], text: str | None, where: str
) -> None:
    log = show_log("s/1", 3, attempts)
    assert log.text == text
    assert where in log.where
    assert log.command == "hpotool logs --study s/1 --follow 3"


def test_checkpoints_are_listed_with_the_latest_first(tmp_path: Path) -> None:
    for step, content in ((1, "ab"), (12, "abcd")):
        folder = tmp_path / f"step-{step:09d}"
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / "state.pt").write_text(content)
    (tmp_path / ".unfinished-1").mkdir()
    found = list(list_checkpoints(tmp_path))
    assert [(one.step, one.size) for one in found] == [(12, 4), (1, 2)]
    assert found[0].changed.tzinfo is not None
    assert list(list_checkpoints(tmp_path / "none")) == []


def test_a_curve_leaves_out_what_is_not_finite_and_says_so() -> None:
    study = make_study("loss")
    figure = draw_steps(study, 1, {"0": 1.0, "1": "nan", "2": 0.5, "3": "inf"})
    assert figure is not None
    ElementTree.fromstring(figure.svg)
    assert figure.caption == "Reports of loss by step. 2 reports are not finite."
    assert figure.svg.count('class="dot trial"') == 2


def test_one_report_is_no_curve_and_very_many_are_thinned() -> None:
    study = make_study("loss")
    assert draw_steps(study, 1, {}) is None
    assert draw_steps(study, 1, {"0": 1.0, "1": "nan"}) is None
    figure = draw_steps(study, 1, {str(step): float(step) for step in range(50_000)})
    assert figure is not None
    assert len(figure.svg) < 40_000


def test_with_several_metrics_a_curve_names_none() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    figure = draw_steps(study, 1, {"0": 1.0, "1": 2.0})
    assert figure is not None
    assert "the metric" in figure.caption


@pytest.mark.parametrize(
    ("state", "moves"), [("RUNNING", ["stop"]), ("WAITING", ["stop"]), ("FAIL", ["retry"]), ("COMPLETE", [])]
)
def test_only_orders_that_make_sense_have_a_button(state: str, moves: list[str]) -> None:
    assert list_moves(state) == moves
