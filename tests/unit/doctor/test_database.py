"""What the facts of a database mean: also those that no test can make, like a standby or another clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hpotool.doctor.database import DATABASE, Database
from hpotool.errors import DatabaseUnreachableError
from hpotool.settings import Pulse
from hpotool.storage.control.health import DatabaseHealth
from hpotool.storage.database.url import DatabaseUrl

WELL = DatabaseHealth(0.001, 0.1, 150002, False, "UTF8", [], True, 100, [], [], {})
FACTS = Database(DatabaseUrl.parse("postgresql://me@db/x"), Pulse(timedelta(seconds=10)), health=WELL)
OPEN = [{"pid": 7, "user": "ana", "for_s": 3600}]


def test_a_sound_database_is_well() -> None:
    assert {each.finding.verdict for each in DATABASE.examine(FACTS)} == {"ok"}


@pytest.mark.parametrize(
    ("check", "changes", "verdict", "words"),
    [
        ("server version", {"version": 120004}, "broken", "Postgres 12 is too old"),
        ("round trip", {"round_trip_s": 0.2}, "warning", "a round trip takes 200 ms"),
        ("clock", {"clock_ahead_s": 60.0}, "warning", "60 s ahead of"),
        ("clock", {"clock_ahead_s": -60.0}, "warning", "60 s behind"),
        ("connections", {"free_connections": -1}, "warning", "0 connections are free"),
        ("encoding", {"encoding": "SQL_ASCII"}, "warning", "SQL_ASCII"),
        ("durability", {"not_durable": ["fsync"]}, "warning", "off are fsync"),
        ("standby", {"is_standby": True}, "broken", "standby"),
        ("open transactions", {"left_open": OPEN}, "broken", "the connection 7 of ana"),
        ("vacuum", {"without_vacuum": ["trials"]}, "warning", "autovacuum is off for trials"),
        (
            "rights",
            {"missing_rights": {f"t{n}": "INSERT" for n in range(5)}},
            "broken",
            "t0: INSERT; .* 2 more tables",
        ),
    ],
)
def test_each_trouble_is_found_with_its_remedy(
    check: str, changes: dict[str, Any], verdict: str, words: str
) -> None:
    facts = replace(FACTS, health=replace(WELL, **changes))
    found = [each for each in DATABASE.examine(facts) if each.finding.verdict != "ok"]
    [one] = found
    assert (one.check, one.finding.verdict) == (check, verdict)
    assert one.finding.remedy
    with pytest.raises(AssertionError, match=words):  # the sentence holds the words
        raise AssertionError(one.finding.says)


def test_a_transaction_of_this_moment_is_none_that_was_left() -> None:
    facts = replace(FACTS, health=replace(WELL, left_open=[{"pid": 7, "user": "ana", "for_s": 0.2}]))
    assert DATABASE.look("open transactions", facts).verdict == "ok"


def test_plain_text_across_a_network_is_said_and_on_this_machine_it_is_fine() -> None:
    plain = replace(FACTS, health=replace(WELL, is_encrypted=False))
    assert DATABASE.look("encryption", plain).verdict == "ok"
    assert DATABASE.look("encryption", replace(plain, is_local=False)).verdict == "warning"
    assert DATABASE.look("encryption", replace(FACTS, is_local=False)).verdict == "ok"


def test_of_a_database_that_is_away_one_thing_is_broken_and_the_rest_unknown() -> None:
    away = replace(FACTS, health=None, error=DatabaseUnreachableError("it does not answer", "start it"))
    verdicts = {each.check: each.finding.verdict for each in DATABASE.examine(away)}
    assert [check for check, verdict in verdicts.items() if verdict == "broken"] == ["answers"]
    assert verdicts["rights"] == verdicts["tables"] == "unknown"


def test_a_database_without_any_study_is_no_trouble_but_said() -> None:
    found = DATABASE.look("tables", replace(FACTS, has_tables=False))
    assert (found.verdict, found.remedy) == ("warning", "hpotool create-study FILE makes them")


def test_numbers_that_were_given_twice_are_named() -> None:
    said = DATABASE.look("trial numbers", replace(FACTS, numbers_twice={"mine": [4]}))
    assert "'mine' has two trials of number 4" in said.says
