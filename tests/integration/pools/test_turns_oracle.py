"""Which study a pool's worker serves next, beside a function in Python that decides the same from the same rows.

The function reads the table before a choice and says what the choice is, and what the table is afterwards. Seeds
make pools of studies with all kinds of settings, and histories of turns that end in all kinds of ways.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from hpotool.storage.control.orders import set_state
from hpotool.storage.fleet.attempts import Attempt, NoTrial
from hpotool.storage.pools.accounts import set_quota
from hpotool.storage.pools.turns import EndedTurn, NoTurn, Turn, choose_study
from tests.integration.pools.conftest import Pool, PoolWorker

SOON = ("wait", "capped", "quota")  # reasons that pass by themselves
PLACES = """
SELECT p.study_id, p.priority, p.weight, p.pass, p.trial_s, p.is_open, p.closed_because, p.refusals, p.version,
    p.look_again_at <= clock_timestamp(), rank() OVER (ORDER BY p.look_again_at), p.look_again_at = 'infinity',
    s.max_running <= (SELECT count(*) FROM trials t WHERE t.study_id = p.study_id AND t.state = 'RUNNING'),
    s.owner IS NOT NULL AND hpotool.over_quota(s.owner) IS NOT NULL
FROM hpotool.pool_places p JOIN hpotool.study_settings s USING (study_id) WHERE p.pool = 'p' ORDER BY p.study_id
"""


@dataclass(frozen=True)
class Place:
    """A study's row, with what the database knows about it besides."""

    study_id: int
    priority: int
    weight: float
    passed: float
    trial_s: float
    is_open: bool
    closed_because: str | None
    refusals: int
    version: int
    is_due: bool
    due_rank: int
    is_over: bool
    is_capped: bool
    is_over_quota: bool

    @property
    def state(self) -> tuple[Any, ...]:
        return (
            self.is_open,
            self.closed_because,
            self.refusals,
            pytest.approx(self.passed),
            pytest.approx(self.trial_s),
        )


@dataclass
class Table:
    """All places of a pool, and the pass of the last choice of each priority."""

    places: dict[int, Place]
    clocks: dict[int, float] = field(default_factory=dict)

    @classmethod
    def read(cls, pool: Pool) -> Table:
        places = [Place(*row[:12], bool(row[12]), bool(row[13])) for row in pool.connection.run(PLACES)]
        clocks = pool.connection.run("SELECT priority, pass FROM hpotool.pool_clocks WHERE pool = 'p'")
        return cls({place.study_id: place for place in places}, dict(clocks))

    def set(self, study_id: int, **changes: Any) -> None:
        self.places[study_id] = replace(self.places[study_id], **changes)

    def settle(self, last: EndedTurn) -> None:
        place = self.places.get(last.turn.study_id)
        if place is None:
            return
        returned = place.passed - last.turn.charged_s / place.weight
        if last.refusal is None:
            trial_s = (3 * place.trial_s + last.took_s) / 4 if last.took_s > 0 else place.trial_s
            self.set(
                place.study_id, passed=returned + last.took_s / place.weight, trial_s=trial_s, refusals=0,
                is_open=place.is_open or place.closed_because in SOON,
                closed_because=None if place.closed_because in SOON else place.closed_because,
            )  # fmt: skip
        elif last.refusal in ("quarantined", "device"):
            self.set(place.study_id, passed=returned)
        elif place.version == last.turn.version:
            self.set(
                place.study_id, passed=returned, is_open=False, closed_because=last.refusal, is_due=False,
                refusals=place.refusals + 1, is_over=last.refusal not in (*SOON, "paused"),
            )  # fmt: skip

    def reopen(self) -> None:
        due = [place for place in self.places.values() if not place.is_open and place.is_due]
        for place in sorted(due, key=lambda place: place.due_rank)[:5]:
            passed = max(place.passed, self.clocks.get(place.priority, 0.0))
            self.set(place.study_id, is_open=True, closed_because=None, passed=passed)

    def choose(self, last: EndedTurn | None, unfit: Collection[int]) -> int | None:
        """The study that is chosen; the table is what it has to be afterwards."""
        if last is not None:
            self.settle(last)
        self.reopen()
        while True:
            able = [place for place in self.places.values() if place.is_open and place.study_id not in unfit]
            if not able:
                return None
            best = min(able, key=lambda place: (-place.priority, place.passed, place.study_id))
            if not (best.is_capped or best.is_over_quota):
                self.set(best.study_id, passed=best.passed + best.trial_s / best.weight)
                before = self.clocks.get(best.priority, best.passed)
                self.clocks[best.priority] = max(before, best.passed)
                return best.study_id
            because = "capped" if best.is_capped else "quota"
            self.set(
                best.study_id, is_open=False, closed_because=because, refusals=best.refusals + 1, is_due=False,
                is_over=False,
            )  # fmt: skip

    def may_come(self, unfit: Collection[int]) -> bool:
        return any(
            not place.is_open and not place.is_over and place.study_id not in unfit
            for place in self.places.values()
        )


class Turns:
    """Workers of one pool that choose, are refused, run, and people who change studies meanwhile."""

    def __init__(self, pool: Pool, seed: int) -> None:
        self.pool = pool
        self.random = random.Random(seed)
        set_quota(pool.connection.run, "poor", "month", 0.0, "me")
        for number in range(self.random.randint(2, 7)):
            self.add(number)
        self.workers = [pool.worker() for _ in range(3)]

    def add(self, number: int) -> None:
        settings = self.random.choice(
            ["", "weight: 3\n", "priority: 2\n", "priority: 2\nweight: 0.5\n", "max_running: 1\n", "owner: poor\n",
             "owner: ann\nmax_running: 2\n"]
        )  # fmt: skip
        self.pool.add(f"s{number}", settings, trials=self.random.choice([None, 1, 3, 40]))

    def step(self) -> None:
        worker = self.random.choice(self.workers)
        if worker.attempt is not None:
            worker.end(self.random.choice([0.5, 1.0, 30.0]))
            return
        unfit = [study for study in self.pool.ids.values() if self.random.random() < 0.1]
        self.choose(worker, unfit)
        if worker.turn is None or self.random.random() < 0.1:
            return  # its worker died before it claimed, or it cannot run the study
        if self.random.random() < 0.1:
            worker.last = EndedTurn(worker.turn, 0.0, self.random.choice(["device", "quarantined"]))
        elif self.random.random() < 0.1:
            worker.last = EndedTurn(worker.turn)
        else:
            assert isinstance(worker.claim(), (Attempt, NoTrial))

    def choose(self, worker: PoolWorker, unfit: list[int]) -> None:
        table = Table.read(self.pool)
        last, worker.last = worker.last, None
        expected = table.choose(last, unfit)
        found = choose_study(self.pool.connection.run, "p", last, unfit)
        worker.turn = found if isinstance(found, Turn) else None
        if isinstance(found, NoTurn):
            assert expected is None
            assert found.may_come == table.may_come(unfit)
        else:
            assert found.study_id == expected
        after = Table.read(self.pool)
        assert {place.study_id: place.state for place in after.places.values()} == {
            place.study_id: place.state for place in table.places.values()
        }
        assert after.clocks == pytest.approx(table.clocks)

    def change(self) -> None:
        name = self.random.choice(list(self.pool.ids))
        match self.random.choice(["weight", "priority", "state", "time", "add"]):
            case "weight":
                self.pool.change(name, weight=self.random.choice([0.25, 1.0, 8.0]))
            case "priority":
                self.pool.change(name, priority=self.random.choice([0, 2, 5]))
            case "state":
                state = self.random.choice(["running", "running", "paused", "stopped"])
                set_state(self.pool.connection.run, self.pool.ids[name], state, "", "me")
            case "time":
                self.pool.connection.run(
                    "UPDATE hpotool.pool_places SET look_again_at = clock_timestamp() - interval '1 s' "
                    "WHERE study_id = %s AND look_again_at < '9999-01-01'",
                    (self.pool.ids[name],),
                )
            case "add":
                if len(self.pool.ids) < 12:
                    self.add(len(self.pool.ids))


@pytest.mark.parametrize("seed", range(10))
def test_every_choice_is_the_one_that_python_makes(pool: Pool, seed: int) -> None:
    turns = Turns(pool, seed)
    for _ in range(60):
        turns.step()
        if turns.random.random() < 0.25:
            turns.change()


def test_the_function_in_python_tells_a_wrong_choice(pool: Pool) -> None:
    Turns(pool, 0)
    pool.connection.run("UPDATE hpotool.pool_places SET is_open = true, priority = 0, pass = study_id")
    table = Table.read(pool)
    table.set(min(table.places), passed=1e9)
    assert table.choose(None, []) != choose_study(pool.connection.run, "p").study_id  # type: ignore[union-attr]
