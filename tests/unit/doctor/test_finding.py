from __future__ import annotations

from hpotool.doctor.database import DATABASE
from hpotool.doctor.finding import Finding, Ward, broken, ok, warning
from hpotool.doctor.gpus import GPUS
from hpotool.doctor.hosts import HOSTS
from hpotool.doctor.machine import MACHINE
from hpotool.doctor.study import STUDY
from hpotool.errors import HpotoolError

WARDS = (MACHINE, GPUS, DATABASE, STUDY, HOSTS)


def away(_: int) -> Finding:
    raise HpotoolError("nobody answers")


def denied(_: int) -> Finding:
    raise PermissionError("not yours")


def fine(_: int) -> Finding:
    """All is as it should be."""
    return ok()


def test_one_check_that_meets_an_error_does_not_know_and_the_others_go_on() -> None:
    ward: Ward[int] = Ward(
        "it", {"away": away, "denied": denied, "fine": fine, "bad": lambda _: warning("bad", "do")}
    )
    verdicts = {each.check: (each.finding.verdict, each.finding.says) for each in ward.examine(1)}
    assert verdicts == {
        "away": ("unknown", "nobody answers"),
        "denied": ("unknown", "not yours"),
        "fine": ("ok", "All is as it should be"),
        "bad": ("warning", "bad"),
    }


def test_a_finding_as_data() -> None:
    [found] = Ward("it", {"x": lambda _: broken("wrong", "mend it")}).examine(1)
    assert found.as_data() == {
        "about": "it", "check": "x", "verdict": "broken", "says": "wrong", "remedy": "mend it",
    }  # fmt: skip


def test_there_are_more_than_thirty_checks_and_no_two_of_one_name() -> None:
    names = [name for ward in WARDS for name in ward.checks]
    assert len(names) >= 30
    assert len(set(names)) == len(names)
    assert all(check.__doc__ for ward in WARDS for check in ward.checks.values())  # type: ignore[attr-defined]
