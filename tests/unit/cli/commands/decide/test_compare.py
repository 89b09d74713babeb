"""A comparison in a terminal: the numbers beside each other, and for each doubt the commands that end it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from hpotool.analysis.compare.comparison import Comparison, compare
from hpotool.analysis.compare.sides import Side, make_side
from hpotool.analysis.compare.verdict import cannot_tell
from hpotool.cli.commands.decide.compare import _draw, _row, _ways_out
from tests.unit.analysis.confirmation.answers import confirmed, point
from tests.unit.analysis.studies import add, make_study
from tests.unit.cli.drawing import drawn

Points = Mapping[float, Sequence[float]]


def side(points: Points, booster: str = "dart", **more: object) -> Side:
    study = make_study("loss")
    for drop, values in points.items():
        for value in values:
            add(study, [value], {"drop": drop, "booster": booster})
    return make_side(study, "loss", {}, versions={"code": "same"}, **more)  # type: ignore[arg-type]


def found(*points: Points) -> Comparison:
    return compare([side(one) for one in points])


CLEAR = ({0.1: (0.50, 0.51, 0.49, 0.50)}, {0.2: (0.30, 0.31, 0.29, 0.30)})


def test_a_row_has_the_mean_its_interval_and_how_many_values() -> None:
    rows = [_row(one) for one in found(*CLEAR).as_data()["studies"]]
    assert [row["best"] for row in rows] == [pytest.approx(0.5), pytest.approx(0.3)]
    assert [row["n"] for row in rows] == [4, 4]
    assert all(row["low"] < row["best"] < row["high"] for row in rows)
    assert [row["confirmed"] for row in rows] == ["no", "no"]
    assert "cost" not in rows[0], "there are no prices"


def test_a_study_without_a_result_has_an_empty_row() -> None:
    row = _row(found({0.1: (0.5,)}, {}).as_data()["studies"][1])
    assert (row["best"], row["low"], row["n"], row["confirmed"], row["trial"]) == (None, None, 0, None, None)


def test_costs_are_shown_where_there_are_prices() -> None:
    attempt = {"slot": "cpu", "duration_s": 3600.0, "outcome": "complete", "reason": None, "worker": "w"}
    study = make_study("loss")
    add(study, [0.5], {"drop": 0.1})
    data = make_side(study, "loss", {0: [attempt]}, prices={"cpu": 2.0}).as_data()
    row = _row(data)
    assert (row["cost"], row["hours"], row["lost"]) == (2.0, 1.0, 0.0)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_everything_fits_and_the_verdict_stands_at_the_end(width: int) -> None:
    lines = drawn(_draw(found(*CLEAR)), width).splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert "the best points" in text
    assert "known against known: better: 0.3 (3 values) against 0.5 (3 values)" in text
    assert "not confirmed: known, known; to measure the best again:" in text


def test_where_one_value_is_not_enough_the_commands_that_help_are_shown() -> None:
    made = found({0.1: (0.5,)}, {0.2: (0.4,)})
    lines = [line.strip() for line in drawn(_draw(made), 200).splitlines()]
    commands = [shlex.split(line) for line in lines if line.startswith("hpotool enqueue")]
    assert commands == [
        ["hpotool", "enqueue", "--study", "known", "drop=0.1", "booster=dart"],
        ["hpotool", "enqueue", "--study", "known", "drop=0.2", "booster=dart"],
    ]


@pytest.mark.parametrize("text", ["it's", "two words", "$HOME", "a=b", ""])
def test_a_choice_of_any_text_can_be_pasted(text: str) -> None:
    study = make_study("loss")
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import create_trial

    space = {"kind": CategoricalDistribution([text, "other"])}
    study.add_trial(create_trial(value=1.0, params={"kind": text}, distributions=dict(space)))
    one = make_side(study, "loss", {})
    lines = list(_ways_out(one, one, cannot_tell("why", 0.95)))
    assert [shlex.split(line)[-1] for line in lines[1:]] == [f"kind={text}"] * 2


def test_a_study_without_a_best_has_no_command() -> None:
    assert len(list(_ways_out(side({}), side({0.1: (1.0,)}), cannot_tell("why", 0.95)))) == 2


def test_what_was_confirmed_is_called_so_and_nothing_is_proposed_then() -> None:
    replicated = confirmed({point(0, 0.1, 0.5): [0.5, 0.51, 0.49]})
    study = make_study("loss")
    add(study, [0.5], {"drop": 0.1})
    one = make_side(study, "loss", {}, versions={"code": "same"}, confirmed=replicated)
    text = drawn(_draw(compare([one, one])), 200)
    assert "not confirmed" not in text
    assert " yes " in text


def test_what_differs_is_a_table_and_nothing_is_said_so() -> None:
    assert "nothing stored differs" in drawn(_draw(found(*CLEAR)), 200)
    old, new = side({0.1: (0.5,)}), side({0.1: (0.5,)})
    documents = [{"study": "a", "budget": {"trials": trials}} for trials in (10, 20)]
    from dataclasses import replace

    differing = compare([replace(one, document=file) for one, file in zip((old, new), documents, strict=True)])
    text = drawn(_draw(differing), 200)
    assert "budget.trials" in text
    assert "nothing stored differs" not in text


def measured_side(
    name: str, drop: float, value: float, replicated: dict[float, list[float]] | None = None
) -> Side:
    study = make_study("loss")
    add(study, [value], {"drop": drop})
    points = {
        point(0, at, study=None if at == drop else "old"): values for at, values in (replicated or {}).items()
    }
    found = make_side(study, "loss", {}, {}, {"code": "same"}, confirmed=confirmed(points) if points else None)
    return replace(found, name=name)


def advice(old: Side, new: Side) -> list[str]:
    [verdict] = compare([old, new]).verdicts
    assert verdict.word == "cannot tell"
    return list(_ways_out(old, new, verdict))


def test_the_old_best_is_to_be_confirmed_in_the_new_study() -> None:
    assert advice(measured_side("old", 0.1, 0.5), measured_side("new", 0.2, 0.4)) == [
        "measure both with the same seeds in the new study:",
        "  hpotool confirm --study new --top 3 --from-study old --seeds 8",
    ]


def test_what_was_confirmed_without_a_verdict_takes_more_seeds() -> None:
    both = {0.2: [0.5, 0.4, 0.6, 0.3, 0.7], 0.1: [0.5, 0.6, 0.4, 0.5, 0.4]}
    assert advice(measured_side("old", 0.1, 0.5), measured_side("new", 0.2, 0.4, both)) == [
        "measure both with more seeds:",
        "  hpotool confirm --study new --top 3 --from-study old --seeds 10",
    ]


def test_in_a_study_of_plain_optuna_the_points_are_queued() -> None:
    plain = replace(measured_side("new", 0.2, 0.4), document=None)
    assert advice(measured_side("old", 0.1, 0.5), plain) == [
        "measure both several times in one study:",
        "  hpotool enqueue --study new drop=0.1",
        "  hpotool enqueue --study new drop=0.2",
    ]
