"""Attacks on real processes and a real database, and that each is taken back."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hpotool.drill.attacks import Attacker, Guest
from hpotool.drill.processes import Crew, left_behind, read_returned
from hpotool.drill.scratch import Scratch
from hpotool.errors import HpotoolError
from hpotool.storage.database.connection import Connection, TransientDatabaseError
from hpotool.storage.database.url import DatabaseUrl
from hpotool.worker.membership.identity import process_start
from tests.child_processes import child_process
from tests.faults.fleet import wait_until
from tests.unit.drill.plans import PLAN

SLEEP = "import sys, time; print('up', flush=True); time.sleep(600)"


class Sleepers(Crew):
    """A crew whose workers do nothing, so that each signal's effect is theirs alone."""

    script = SLEEP

    def _command(self) -> list[str]:
        return [sys.executable, "-c", self.script]


@pytest.fixture
def scratch(study_database_url: str) -> Iterator[Scratch]:
    connection = Connection(DatabaseUrl.parse(study_database_url))
    yield Scratch.create(connection, PLAN, "test")
    connection.close()


@pytest.fixture
def crew(scratch: Scratch, tmp_path: Path) -> Iterator[Sleepers]:
    crew = Sleepers(scratch.connection.url, scratch.name, tmp_path, 1, {}, 4)
    crew.keep_up()
    wait_until(lambda: "up" in crew.log(crew.places[0]).read_text(), "the process to run")
    yield crew
    crew.close()


@pytest.fixture
def attacker(crew: Sleepers, scratch: Scratch) -> Attacker:
    return Attacker(crew, scratch.study_id, 2.0, random.Random(1))


def state(crew: Crew) -> str:
    process = crew.places[0].process
    assert process is not None
    return psutil.Process(process.pid).status()


def test_a_stop_lasts_longer_than_the_grace_period_and_is_taken_back(crew: Sleepers, attacker: Attacker) -> None:
    attack = attacker.strike("stop", 10.0)
    assert attack is not None
    assert (attack.target, attack.for_s) == ("worker 1", 3.0)
    wait_until(lambda: state(crew) == psutil.STATUS_STOPPED, "the stop")
    assert attacker.strike("kill", 11.0) is None, "one thing at a time"
    attacker.undo_due(12.9)
    assert state(crew) == psutil.STATUS_STOPPED
    attacker.undo_due(13.0)
    wait_until(lambda: state(crew) != psutil.STATUS_STOPPED, "it to go on")
    assert attacker.strike("kill", 14.0) is not None
    assert [attack.kind for attack in attacker.done] == ["stop", "kill"]


def test_what_the_drill_did_is_no_ending_without_reason(crew: Sleepers, attacker: Attacker) -> None:
    for kind in ("kill", "leave"):
        first = crew.places[0].process
        assert attacker.strike(kind, 1.0) is not None
        assert first is not None
        first.wait(30)
        crew.keep_up()
        assert crew.places[0].process is not first
    assert crew.endings == []


def test_an_end_that_nobody_caused_is_noted(crew: Sleepers) -> None:
    process = crew.places[0].process
    assert process is not None
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert crew.note_ends()
    assert crew.endings == ["worker 1 was ended by SIGKILL, and not by the drill"]


def test_workers_that_never_stay_up_end_the_drill_with_their_last_line(crew: Sleepers) -> None:
    crew.close()
    crew.script = "raise SystemExit('error: no such thing')"

    def restart() -> None:
        while True:
            crew.keep_up()
            process = crew.places[0].process
            assert process is not None
            process.wait(30)

    with pytest.raises(HpotoolError, match="do not stay up; the last line of one is: error: no such thing"):
        restart()


def test_a_cut_is_by_turns_a_silence_and_a_reset(crew: Sleepers, attacker: Attacker) -> None:
    place = crew.places[0]
    assert place.proxy is not None
    attacks = [attacker.strike("cut", 1.0)]
    assert not place.proxy._is_open.is_set()
    attacker.undo_all()
    assert place.proxy._is_open.is_set()
    attacks.append(attacker.strike("cut", 2.0))
    assert [attack and attack.target for attack in attacks] == ["worker 1", "the connection of worker 1"]


def test_a_lock_holds_the_drills_study_alone(attacker: Attacker, scratch: Scratch) -> None:
    other = Scratch.create(scratch.connection, PLAN, "test")
    assert attacker.strike("lock", 1.0) is not None
    ask = "SELECT FROM studies WHERE study_id = %s FOR UPDATE NOWAIT"
    scratch.connection.run(ask, (other.study_id,))
    with pytest.raises(TransientDatabaseError):
        scratch.connection.run(ask, (scratch.study_id,))
    attacker.undo_all()
    wait_until(lambda: _is_free(lambda: scratch.connection.run(ask, (scratch.study_id,))), "the lock to be gone")


def _is_free(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except TransientDatabaseError:
        return False
    return True


def test_a_guest_is_struck_only_while_it_is_that_process(crew: Sleepers, attacker: Attacker) -> None:
    crew.close()  # nobody else to strike
    with child_process([sys.executable, "-c", SLEEP], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        guest = Guest("host-1", process.pid, process_start(process.pid) or "")
        attacker.guests = lambda: [guest]
        assert guest.is_alive
        assert not Guest("host-1", process.pid, "another time").is_alive
        stop = attacker.strike("stop", 1.0)
        assert stop is not None
        assert stop.target == "host-1"
        wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, "the stop")
        assert attacker.strike("kill", 1.5) is None, "one thing at a time, for guests too"
        attacker.undo_all()
        attacker.strike("leave", 2.0)
        assert attacker.strike("kill", 2.5) is None, "it is leaving"
        assert process.wait(30) == -signal.SIGTERM
        assert not guest.is_alive


def test_what_a_crew_leaves_behind_is_found(crew: Sleepers, tmp_path: Path) -> None:
    [found] = left_behind(crew.marker)
    assert str(crew.places[0].process and crew.places[0].process.pid) in found
    crew.close()
    assert left_behind(crew.marker) == []
    assert crew.unsent() == []
    (tmp_path / "spool" / "1a2b").mkdir(parents=True)
    (tmp_path / "spool" / "1a2b" / "x.json").touch()
    assert crew.unsent() == ["x.json is still on the disk"]
    (tmp_path / "returned").write_text("3 0.25\n4 1e-3\n")
    assert crew.returned() == read_returned(tmp_path / "returned") == [(3, 0.25), (4, 0.001)]
