"""Importance in a terminal and for scripts: shares as bars, what cannot be told, and options that go together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hpotool.analysis.edges import Edge
from hpotool.analysis.importance import Importance, Sureness
from hpotool.analysis.weighing.ablation import Change
from hpotool.cli.commands.look.importance import Evaluator, Target, _check, _draw, _row
from hpotool.errors import InputError
from tests.unit.cli.drawing import HOSTILE, drawn

SURE = Sureness({"lr": (0.5, 0.9), "drop": (0.0, 0.2)}, (0.05, 0.01, 0.1), ("drop",))
FOUND = Importance("loss", {"lr": 0.72, "drop": 0.28}, trials=60, sureness=SURE)


def test_a_row_says_how_sure_a_share_is_and_whether_it_can_be_told() -> None:
    assert _row(FOUND, "lr", 0.72) == {
        "metric": "loss", "parameter": "lr", "importance": 0.72, "low": 0.5, "high": 0.9, "told": True,
    }  # fmt: skip
    assert _row(FOUND, "drop", 0.28)["told"] is False
    unsure = Importance("loss", {"lr": 1.0}, "ped-anova", 200)
    assert _row(unsure, "lr", 1.0) == {"metric": "loss", "parameter": "lr", "importance": 1.0}


def test_a_share_has_its_interval_and_one_that_cannot_be_told_has_words_for_a_bar() -> None:
    lines = drawn(_draw([FOUND])).splitlines()
    assert "importance for loss (kernel ANOVA, 60 trials)" in lines[0]
    [lr] = [line for line in lines if line.strip().startswith("lr ")]
    assert "0.720" in lr
    assert "[0.50, 0.90]" in lr
    [drop] = [line for line in lines if line.strip().startswith("drop ")]
    assert "cannot be told from noise" in drop
    assert any(line.strip().startswith("(a random column)") and "[0.01, 0.10]" in line for line in lines)


def test_a_greater_share_has_a_longer_bar() -> None:
    found = Importance("loss", {"a": 0.6, "b": 0.3, "c": 0.1, "d": 0.0}, "fanova", 60)
    lines = drawn(_draw([found])).splitlines()
    bars = [
        sum(character in "█▉▊▋▌▍▎▏" for character in line)
        for line in lines
        if line.strip()[:2] in ("a ", "b ", "c ", "d ")
    ]
    assert bars == sorted(bars, reverse=True)
    assert bars[0] > bars[2] > 0 == bars[3]


@pytest.mark.parametrize(
    ("evaluator", "question"),
    [
        ("kernel-anova", "what moves loss anywhere in the space, alone or in pairs"),
        ("ped-anova", "what sets the best tenth of the trials apart"),
        ("fanova", "what moves loss anywhere in the space"),
    ],
)
def test_each_evaluator_says_what_it_answers(evaluator: str, question: str) -> None:
    assert question in drawn(_draw([Importance("loss", {"lr": 1.0}, evaluator, 500)]))  # type: ignore[arg-type]


def test_few_trials_edges_and_the_way_to_the_best_are_told() -> None:
    found = Importance(
        "loss", {"lr": 1.0}, trials=3, sureness=SURE and Sureness({"lr": (0.0, 1.0)}, (0.1, 0.0, 0.2), ()),
        edges=(Edge("lr", 0.4999, "upper", 0.001, 0.5),),
        ablation=(Change((), 0.9), Change(("lr", "drop"), 0.1)), ablation_trials=(0, 7),
    )  # fmt: skip
    text = drawn(_draw([found]), 200)
    assert "3 trials are few: the order may still change" in text
    assert "the best has lr 0.4999, at the upper edge of [0.001, 0.5]" in text
    title = "from trial 0, the first, to trial 7, the best of the search, a change at a time"
    assert f"{title}, as the model expects loss:" in text
    assert "       0.9  at first" in text
    assert "       0.1  lr and drop" in text


def test_several_metrics_stand_below_each_other() -> None:
    text = drawn(_draw([FOUND, Importance("size", {"lr": 1.0}, "ped-anova", 500)]))
    assert text.index("importance for loss") < text.index("importance for size")


def test_names_are_text() -> None:
    found = Importance(HOSTILE, {HOSTILE: 1.0}, edges=(Edge(HOSTILE, 0.5, "upper", 0.0, 0.5),), trials=500)
    text = drawn(_draw([replace(found, evaluator="fanova")]), 300)
    assert text.count("[red]x[/red]") == 4, "in the title, the table, the question and the edge"
    assert "\x1b" not in text


@pytest.mark.parametrize("name", ["val[/]", "loss[/x]", "[0]", "[link=file:///etc]"])
def test_a_metric_with_brackets_is_no_markup(name: str) -> None:
    assert f"importance for {name} (" in drawn(_draw([Importance(name, {"lr": 1.0}, "ped-anova", 500)]), 300)


@pytest.mark.parametrize(
    ("target", "metric", "evaluator", "says"),
    [
        (Target.FAILURES, "loss", Evaluator.KERNEL_ANOVA, "--metric names a metric, and failures have none"),
        (Target.FAILURES, None, Evaluator.FANOVA, "fanova weighs metrics only"),
        (Target.FAILURES, None, Evaluator.PED_ANOVA, "ped-anova weighs metrics only"),
    ],
)
def test_what_does_not_go_together_is_refused(
    target: Target, metric: str | None, evaluator: Evaluator, says: str
) -> None:
    with pytest.raises(InputError, match=says) as refused:
        _check(target, metric, evaluator)
    assert refused.value.hint == "hpotool importance --target failures"


@pytest.mark.parametrize("evaluator", list(Evaluator))
def test_metrics_take_every_evaluator(evaluator: Evaluator) -> None:
    _check(Target.METRICS, "loss", evaluator)
