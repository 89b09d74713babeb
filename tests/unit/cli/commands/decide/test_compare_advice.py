"""What `compare` advises where it cannot tell."""

from __future__ import annotations

from dataclasses import replace

from hpotool.analysis.compare.comparison import compare
from hpotool.analysis.compare.sides import Side, make_side
from hpotool.cli.commands.decide.compare import _ways_out
from tests.unit.analysis.confirmation.answers import confirmed, point
from tests.unit.analysis.studies import add, make_study


def side(name: str, drop: float, value: float, replicated: dict[float, list[float]] | None = None) -> Side:
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
    assert advice(side("old", 0.1, 0.5), side("new", 0.2, 0.4)) == [
        "measure both with the same seeds in the new study:",
        "  hpotool confirm --study new --top 3 --from-study old --seeds 8",
    ]


def test_what_was_confirmed_without_a_verdict_takes_more_seeds() -> None:
    both = {0.2: [0.5, 0.4, 0.6, 0.3, 0.7], 0.1: [0.5, 0.6, 0.4, 0.5, 0.4]}
    assert advice(side("old", 0.1, 0.5), side("new", 0.2, 0.4, both)) == [
        "measure both with more seeds:",
        "  hpotool confirm --study new --top 3 --from-study old --seeds 10",
    ]


def test_in_a_study_of_plain_optuna_the_points_are_queued() -> None:
    plain = replace(side("new", 0.2, 0.4), document=None)
    assert advice(side("old", 0.1, 0.5), plain) == [
        "measure both several times in one study:",
        "  hpotool enqueue --study new drop=0.1",
        "  hpotool enqueue --study new drop=0.2",
    ]
