"""What the doctor shows: problems with their remedies under what they are about, and the rest if asked for."""

from __future__ import annotations

import pytest

from hpotool.cli.commands.fleet.doctor import _draw, _show
from hpotool.cli.output import Format
from hpotool.doctor.finding import Found, broken, ok, unknown, warning
from tests.unit.cli.drawing import HOSTILE, drawn

FOUND = [
    Found("this machine", "disk", ok("80 GB are free")),
    Found("this machine", "pulse", broken("the grace period is too short", "export HPOTOOL_GRACE_PERIOD_S=60")),
    Found("database", "clock", warning("it is 12 s behind", "timedatectl set-ntp true")),
    Found("database", "rights", unknown("the database was not asked")),
]


def test_only_problems_are_shown_each_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    _show(FOUND, Format.TABLE, every=False)
    written = capsys.readouterr()
    assert [line.rstrip() for line in written.out.splitlines()] == [
        "this machine",
        "  ✗ pulse: the grace period is too short",
        "      → export HPOTOOL_GRACE_PERIOD_S=60",
        "",
        "database",
        "  ! clock: it is 12 s behind",
        "      → timedatectl set-ntp true",
    ]
    assert written.err == "4 checks: 1 broken, 1 warning, 1 could not be checked\n"


def test_all_checks_are_shown_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    _show(FOUND, Format.TABLE, every=True)
    out = capsys.readouterr().out
    assert "  ✓ disk: 80 GB are free" in out
    assert "  ? rights: the database was not asked" in out


def test_where_all_is_well_a_sentence_says_so() -> None:
    assert drawn(_draw([], every=False)).strip() == "no problems found"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [(FOUND, "broken"), (FOUND[2:], "warning"), (FOUND[:1], "ok"), (FOUND[3:], "ok"), ([], "ok")],
)
def test_the_verdict_is_the_worst_of_all(
    found: list[Found], verdict: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _show(found, Format.VALUE, every=False)
    assert capsys.readouterr().out == f"{verdict}\n"


def test_nothing_that_was_found_is_obeyed_by_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _show([Found(HOSTILE, HOSTILE, broken(HOSTILE, HOSTILE))], Format.TABLE, every=False)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert out.count("[red]x[/red]") == 4
