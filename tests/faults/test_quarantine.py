"""Real workers on one machine that pose as two hosts, of which one fails everything."""

from __future__ import annotations

from pathlib import Path

from hpotool.storage.control.orders import read_events
from tests.acceptance.command_line import CommandLine
from tests.faults.fleet import Fleet, Kind, wait_until


def bad_attempts(fleet: Fleet) -> list[tuple[int, str, bool]]:
    return [
        (root, outcome, is_burnt)
        for root, outcome, is_burnt in fleet.connection.run(
            "SELECT root_number, outcome, is_burnt FROM hpotool.attempts WHERE host = 'bad' ORDER BY started_at"
        )
    ]


def quarantines(fleet: Fleet) -> list[str | None]:
    events = read_events(fleet.connection.run, fleet.study_id)
    return [event.to_state for event in events if event.kind == "quarantine"]


def test_a_host_that_fails_everything_gets_no_more_trials_and_costs_none(
    database_url: str, tmp_path: Path
) -> None:
    kind = Kind("sampler: {name: random, seed: 1}\n", function="tests.faults.misbehaving:fails_on_a_bad_host")
    # A host goes into quarantine only while others live: on a busy machine, a beat comes late now and then.
    fleet = Fleet(database_url, tmp_path, 24, kind=kind, is_spread_out=True, grace_s=30)
    hpotool = CommandLine(database_url)
    try:
        fleet.start_worker(TEST_HOST="good")
        wait_until(lambda: 15 in fleet.states(), "fifteen trials elsewhere")
        bad = [fleet.start_worker(TEST_HOST="bad") for _ in range(2)]
        wait_until(lambda: "quarantined" in quarantines(fleet), "the quarantine")
        wait_until(lambda: fleet.logs()[1].count("in quarantine until") == 1, "a worker that says why it waits")
        bad[1].kill()
        bad[1].wait()
        fleet.start_worker(TEST_HOST="bad")
        wait_until(lambda: "in quarantine until" in fleet.logs()[3], "a new worker there to be told at its start")
        assert bad[0].poll() is None, "it waits, and did not leave by its breaker"

        [entry] = hpotool.json("quarantine")
        assert (entry["place"], entry["device"], entry["is_open"]) == ("bad", None, True)
        assert "points failed here, and 0 of" in entry["reason"]
        rows = hpotool.json("workers")["workers"]
        assert all(row["why"].startswith("bad is in quarantine until") for row in rows if row["host"] == "bad")
        assert "bad is in quarantine" in hpotool.run("status").stdout

        burnt = bad_attempts(fleet)
        assert 3 <= len(burnt) <= 5
        assert {(outcome, is_burnt) for _, outcome, is_burnt in burnt} == {("error", True)}
        (tmp_path / "mended").touch()
        assert "bad takes trials of s again" in hpotool.run("quarantine", "--lift", "bad").stderr
        wait_until(lambda: len(bad_attempts(fleet)) > len(burnt), "the host to take trials again")
        (tmp_path / "go").touch()
        fleet.check()
        assert quarantines(fleet) == ["quarantined", "lifted"]
        results = dict(
            fleet.connection.run(
                "SELECT root_number, count(*) FROM hpotool.attempts WHERE outcome = 'complete' GROUP BY 1"
            )
        )
        assert {results.get(root) for root, _, _ in burnt} == {1}, "each of its trials ran again, once"
    finally:
        fleet.close()


def test_an_objective_that_fails_everywhere_puts_nobody_in_quarantine(database_url: str, tmp_path: Path) -> None:
    kind = Kind(
        "sampler: {name: random, seed: 1}\nbreaker: on\n", function="tests.faults.misbehaving:fills_memory"
    )
    fleet = Fleet(database_url, tmp_path, 20, kind=kind, is_spread_out=True)
    try:
        workers = [fleet.start_worker(TEST_HOST=host) for host in ("one", "two")]
        assert [worker.wait(120) for worker in workers] == [1, 1], fleet.logs()
        assert quarantines(fleet) == []
        assert all("circuit breaker: " in log for log in fleet.logs())
    finally:
        fleet.close()
