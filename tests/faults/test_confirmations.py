"""Workers killed and Postgres restarted while points are confirmed: exactly the replicates that were asked for."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from hpotool.errors import DatabaseUnreachableError
from hpotool.storage.control.confirmations import Confirmation, order_confirmation, read_confirmation
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.confirmation.rounds import next_round
from tests.faults.fleet import KINDS, Fleet, Kind, wait_until
from tests.postgres import TestServer

SEARCHED, WORKERS = 3, 3
POINTS = (Point("trial 0", {"x": 0.25}, trial=0), Point("trial 1", {"x": 0.5}, trial=1))
PLAIN = Order(POINTS, seeds=4)
# The points are equally good, so it takes all that it may.
EQUALS = (
    Point("trial 0", {"x": 0.25, "y": 0.1}, trial=0),
    Point("baseline", {"x": 0.25, "y": 0.2}, is_baseline=True),
)
UNDECIDED = Order(EQUALS, 2, 0.95, 9)
TWO = replace(KINDS["random"], space="search_space: {x: {float: [0, 1]}, y: {float: [0, 1]}}\n")


def _found(fleet: Fleet) -> Confirmation:
    found = read_confirmation(fleet.connection.run, fleet.study_id)
    assert found is not None
    return found


def _is_running(fleet: Fleet) -> bool:
    try:
        return any(one.state == "RUNNING" for one in _found(fleet).replicates) or _is_measured(fleet)
    except DatabaseUnreachableError:
        return False


def _is_measured(fleet: Fleet) -> bool:
    try:
        found = _found(fleet)
    except DatabaseUnreachableError:
        return False
    return not found.is_open and not next_round(found.order, found.replicates, [1.0])


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        *((KINDS[name], PLAIN) for name in ("tpe", "command", "constraints", "none", "remote")),
        (TWO, UNDECIDED),
    ],
    ids=["tpe", "command", "constraints", "none", "remote", "adaptive"],
)
def test_exactly_the_replicates_asked_for(
    kind: Kind, order: Order, own_postgres: TestServer, tmp_path: Path
) -> None:
    with own_postgres.database("confirmed") as url:
        fleet = Fleet(url, tmp_path, budget=SEARCHED, kind=kind)
        try:
            _search(fleet)
            order_confirmation(fleet.connection.run, fleet.study_id, "test", order.including)
            # Three lost attempts are as many as one trial is tried again after, should all of them hit the same.
            for strike in (signal.SIGKILL, None, signal.SIGTERM, signal.SIGKILL, None, signal.SIGKILL):
                fleet.keep_up(WORKERS)
                wait_until(lambda: _is_running(fleet), "a replicate to run")
                _strike(fleet, own_postgres, strike)
            wait_until(lambda: _is_measured(fleet) or fleet.keep_up(WORKERS), "all replicates to be measured")
            _hold(fleet, order)
        finally:
            fleet.close()


def _strike(fleet: Fleet, server: TestServer, number: int | None) -> None:
    """Send a worker a signal, or crash and start Postgres."""
    if number is None:
        server.kill()
        server.start()
    elif fleet.living():
        fleet.living()[0].send_signal(number)


def _search(fleet: Fleet) -> None:
    fleet.start_worker()
    wait_until(fleet.is_done, "the search to be done")
    wait_until(lambda: not fleet.living(), "its worker to leave")


def _hold(fleet: Fleet, order: Order) -> None:
    replicates = _found(fleet).replicates
    asked = {
        name: {one.reevaluation.replicate for one in replicates if one.reevaluation.point == name}
        for name in _names(order)
    }
    assert {one.state for one in replicates} == {"COMPLETE"}
    assert max(Counter(one.reevaluation for one in replicates).values()) == 1
    assert all(seeds == set(range(len(seeds))) and len(seeds) >= order.seeds for seeds in asked.values()), asked
    if order.confidence is None:
        assert len(replicates) == order.seeds * len(order.points)
    else:
        assert order.seeds * len(order.points) < len(replicates) <= (order.most or 0)
    fleet.budget = SEARCHED + len(replicates)
    fleet.check()
    values = {
        name: {one.measured.values[0] for one in replicates if one.reevaluation.point == name} for name in asked
    }
    assert values == {point.name: {point.params["x"]} for point in order.points}, (
        "each ran with its own parameters"
    )


def _names(order: Order) -> list[str]:
    return [point.name for point in order.points]
