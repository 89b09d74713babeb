"""The table of trials: which are shown, and what is said where there is none."""

from __future__ import annotations

import pytest

from hpotool.analysis.results import TrialResult
from hpotool.analysis.selection import Selection
from hpotool.analysis.trials import TrialRecord
from hpotool.cli.commands.look.trials import _answer, _style
from hpotool.cli.output import Format
from hpotool.errors import InputError
from tests.unit.cli.drawing import HOSTILE, drawn, in_every_format


def record(number: int, state: str = "COMPLETE", *lineage: int, reason: str = "", **params: object) -> TrialRecord:
    outcome = {"COMPLETE": "complete", "FAIL": "error"}.get(state, state.lower())
    attempt = {"outcome": outcome, "reason": reason}
    return TrialRecord(
        TrialResult(number, {"loss": number / 10}, params, {}), state, outcome, 2.0, (attempt,), lineage=lineage
    )


RECORDS = (record(0, lr=0.1), record(1, "FAIL", reason="no\nmemory", lr=0.2), record(2, "COMPLETE", 1, lr=0.2))


def test_every_format_has_the_trials(capsys: pytest.CaptureFixture[str]) -> None:
    written = in_every_format(_answer(RECORDS, Selection(), "s", RECORDS), capsys)
    assert written[Format.VALUE] == "0\n1\n2\n"
    assert written[Format.CSV].splitlines()[0].startswith("trial,state,outcome,loss,attempts")
    assert len(written[Format.CSV].splitlines()) == 4


def test_a_table_folds_retries_and_a_file_does_not() -> None:
    answer = _answer(RECORDS, Selection(), "s", RECORDS)
    assert answer.picture is not None
    lines = drawn(answer.picture(), 160).splitlines()
    assert [line.split()[:2] for line in lines[2:]] == [["0", "COMPLETE"], ["1", "2"]]
    assert len(answer.rows) == 3


@pytest.mark.parametrize(
    ("every", "selection", "said"),
    [
        ((), Selection(), "no trials yet; start a worker: hpotool worker --study 'my study'"),
        (RECORDS, Selection(failed=True), "no trial has failed for good"),
        (RECORDS, Selection(states=("WAITING",)), "no such trials"),
        (RECORDS, Selection(failed=True, last=3), "no such trials"),
    ],
)
def test_an_empty_list_says_why(every: tuple[TrialRecord, ...], selection: Selection, said: str) -> None:
    answer = _answer((), selection, "my study", every)
    assert (answer.picture, answer.empty, answer.value) == (None, said, "")


def test_only_the_columns_that_were_asked_for_are_shown() -> None:
    selection = Selection(columns=("lr", "trial"))
    answer = _answer(RECORDS, selection, "s", RECORDS)
    assert list(answer.rows[0]) == ["lr", "trial"]
    assert answer.picture is not None
    assert drawn(answer.picture(), 160).split()[:2] == ["lr", "trial"]


def test_a_column_that_no_trial_has_is_refused_even_if_none_was_chosen() -> None:
    with pytest.raises(InputError, match="no trial has 'rate'"):
        _answer(RECORDS, Selection(columns=("rate",)), "s", RECORDS)


def test_a_reason_is_one_line_and_no_markup() -> None:
    answer = _answer([record(1, "FAIL", reason=f"a\n{HOSTILE}")], Selection(), "s", RECORDS)
    assert answer.picture is not None
    text = drawn(answer.picture(), 300)
    assert "a [red]x[/red]" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("state", "style"),
    [("FAIL", "red"), ("PRUNED", "dim"), ("RUNNING", "cyan"), ("COMPLETE", ""), ("WAITING", "")],
)
def test_a_state_has_its_colour(state: str, style: str) -> None:
    assert _style({"state": state}) == style
    assert _style({}) == ""
