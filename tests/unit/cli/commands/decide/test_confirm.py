"""What was measured again, in every format; and a point of another study in this one's space."""

from __future__ import annotations

import pytest

from hpotool.cli.commands.decide.confirm import _moved, _say_progress, confirm_answer, refuse_branches
from hpotool.cli.output import Format
from hpotool.errors import InputError
from hpotool.storage.control.confirmations import Confirmation
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.confirmation.rounds import Replicate
from hpotool.study.file.reader import read_study_file
from hpotool.study.phase import Reevaluation
from tests.unit.analysis.confirmation.answers import confirmed, point
from tests.unit.cli.drawing import drawn, in_every_format

FILE = (
    "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"
    "search_space: {lr: {float: [0.1, 1.0]}, depth: {int: [1, 9]}}\n"
)


def test_the_answer_names_the_best_point_for_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    answer = confirm_answer(confirmed({point(3, 0.1): [0.1, 0.11], point(5, 0.2): [0.9, 0.91]}))
    written = in_every_format(answer, capsys)
    assert written[Format.VALUE] == "trial 3\n"
    assert written[Format.CSV].splitlines()[0].startswith("point,p_best,loss,loss_se,n")


def test_nothing_is_the_best_where_nothing_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    written = in_every_format(confirm_answer(confirmed({point(3, 0.1): []})), capsys)
    assert written[Format.VALUE] == ""
    assert "Nothing was confirmed" in written[Format.TABLE]


def test_failures_are_told_with_their_reasons_once_each() -> None:
    from hpotool.analysis.confirmation.answer import answer

    failed = [
        Replicate(Reevaluation("confirm", "trial 3", seed), seed, "FAIL", None, "error", reason)
        for seed, reason in enumerate(["CUDA [0] away", "CUDA [0] away", None])
    ]
    order = Order((Point("trial 3", {"x": 1}, 3),), 3)
    made = confirm_answer(answer(order, failed, {"loss": "minimize"}))
    assert made.picture is not None
    text = drawn(made.picture(), 200)
    assert "3 replicates failed permanently (error; error: CUDA [0] away)" in text


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (["WAITING"], "0 of 1 replicates have ended, 0 running"),
        (["COMPLETE", "RUNNING", "FAIL"], "2 of 3 replicates have ended, 1 running"),
        (["COMPLETE"] * 3, "3 of 3 replicates have ended, 0 running"),
    ],
)
def test_progress_counts_what_has_ended(states: list[str], said: str) -> None:
    replicates = [Replicate(Reevaluation("confirm", "trial 1", n), n, state) for n, state in enumerate(states)]
    found = Confirmation(Order((), 3), tuple(replicates), "")
    assert _say_progress(found) == said


def test_a_point_of_another_study_becomes_one_of_this_space() -> None:
    spec = read_study_file(FILE)
    assert _moved(spec, Point("trial 1 of old", {"lr": 0.5, "depth": 3}, 1, "old")) == {"lr": 0.5, "depth": 3}


@pytest.mark.parametrize("params", [{"lr": 5.0, "depth": 3}, {"lr": 0.5, "depth": 99}, {"lr": "high", "depth": 3}])
def test_a_point_outside_of_the_space_is_refused_with_what_is_wrong(params: dict[str, object]) -> None:
    with pytest.raises(InputError) as refused:
        _moved(read_study_file(FILE), Point("trial 1 of old", params, 1, "old"))
    first, *rest = refused.value.message.splitlines()
    assert first == "trial 1 of old is not in the search space of 's'"
    assert len(rest) == 1


def test_a_space_that_the_objective_suggests_itself_takes_any_point() -> None:
    spec = read_study_file(FILE.partition("search_space")[0])
    assert _moved(spec, Point("trial 1 of old", {"anything": [1]}, 1, "old")) == {"anything": [1]}


def test_trials_that_continue_each_other_cannot_be_confirmed() -> None:
    refuse_branches(read_study_file(FILE))
    tiers = FILE + "tiers: [{trials: 9, steps: 1}, {trials: 3, steps: 3}]\n"
    with pytest.raises(InputError, match="continue from each other's checkpoints"):
        refuse_branches(read_study_file(tiers))
