"""What a drill shows: at 80 columns, with what broke, and how to repeat it."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from hpotool.cli.commands.fleet.drill import _again, _draw, _pulse
from hpotool.cli.durations import read_duration
from hpotool.drill.attacks import Attack
from hpotool.drill.invariants import Facts, judge
from hpotool.drill.plan import Report
from hpotool.errors import InputError
from hpotool.storage.monitoring.evidence import AttemptEvidence, Evidence, TrialEvidence
from tests.unit.drill.plans import PLAN

EVIDENCE = Evidence([TrialEvidence(0, 0, "COMPLETE", 0.5, 1)], [AttemptEvidence(0, 0, "complete")])
ENDINGS = [f"worker {number} ended with exit code 1: {'a long last line, ' * 8}" for number in range(5)]


def report(**facts: object) -> Report:
    verdicts = judge(replace(Facts(1, EVIDENCE), **facts))  # type: ignore[arg-type]
    return Report("drill-1", PLAN, 12.3, True, 2, [Attack(1.0, "kill", "worker 1")], verdicts, EVIDENCE)


def shown(report: Report) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=80).print(_draw(report))
    return [line.rstrip() for line in text.getvalue().splitlines()]


def test_a_drill_that_passed_is_a_list_and_a_sentence() -> None:
    lines = shown(report())
    assert lines[0] == "drill-1: 1 trials, 1 of 3 attacks, 12 s"
    assert sum(line.startswith("  ✓ G") for line in lines) == 12
    assert lines[-2:] == ["attempts: 1 complete", "passed: all 12 checks hold"]


def test_what_broke_stands_below_its_promise_and_fits_the_screen() -> None:
    lines = shown(report(endings=ENDINGS, budget=2))
    assert "  ✗ G1  exactly as many trials finish as were ordered" in lines
    assert lines[lines.index("  ✗ G1  exactly as many trials finish as were ordered") + 1].endswith("not 2")
    assert any(line.endswith("… and 2 more (--format json)") for line in lines)
    assert lines[-1] == "failed: 2 of 12 checks do not hold"
    assert max(map(len, lines)) <= 80


def test_a_drill_of_others_says_what_it_could_not_see() -> None:
    of_others = replace(report(), plan=replace(PLAN, workers=0), is_done=False)
    lines = shown(of_others)
    assert lines[0].endswith("; the study was not done in time")
    assert any(line.startswith("not seen with --workers 0: ") for line in lines)


def test_the_same_drill_again() -> None:
    plan = replace(PLAN, kinds=("kill", "cut"), is_plain=True, may_strike_guests=True)
    assert " ".join(_again(plan)) == (
        "--seed 7 --keep --workers 2 --trials 1 --attacks 3 --allow kill,cut --joined --optuna"
    )


def test_the_pulse_is_quick_unless_somebody_has_set_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _pulse().grace.total_seconds() == 4
    monkeypatch.setenv("HPOTOOL_GRACE_PERIOD_S", "60")
    assert (_pulse().interval.total_seconds(), _pulse().grace.total_seconds()) == (10, 60)


def test_a_duration_is_read_or_refused() -> None:
    assert read_duration("--patience", "2m").total_seconds() == 120
    with pytest.raises(InputError, match="--patience"):
        read_duration("--patience", "soon")
