"""What a drill does to workers, and how it takes it back: at most one thing at a time to each of them."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, get_args

import psycopg2
from typing_extensions import assert_never

from hpotool.drill.processes import Crew, Place
from hpotool.errors import HpotoolError, InputError
from hpotool.storage.database.connection import open_psycopg
from hpotool.storage.database.queries import query
from hpotool.worker.membership.identity import has_ended

Kind = Literal["kill", "stop", "cut", "lock", "leave"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_LONGEST_LOCK_S = 5.0


@dataclass(frozen=True)
class Attack:
    """One thing that was done: when, to what, and for how long."""

    at_s: float
    kind: Kind
    target: str
    for_s: float | None = None

    def __str__(self) -> str:
        lasting = "" if self.for_s is None else f" for {self.for_s:.1f} s"
        return f"{self.at_s:6.1f} s  {self.kind} {self.target}{lasting}"


@dataclass(frozen=True)
class Guest:
    """A worker on this machine that the drill did not start."""

    worker_id: str
    pid: int
    start: str

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return not has_ended(self.pid, self.start)


def parse_kinds(text: str) -> tuple[Kind, ...]:
    """The kinds in ``kill,stop``, each once.

    Raises:
        InputError: one of them is no kind of attack, or there is none.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in KINDS]
    if unknown or not words:
        named = f"{unknown[0]!r} is no attack" if unknown else "--allow names no attack"
        raise InputError(f"{named}: there are {', '.join(KINDS)}", f"hpotool drill --allow {','.join(KINDS[:3])}")
    return tuple(kind for kind in KINDS if kind in words)


def draw_kinds(kinds: Sequence[Kind], count: int, dice: random.Random) -> list[Kind]:
    """Which attacks to make, in order: each kind as often as any other, or once more."""
    drawn: list[Kind] = []
    while len(drawn) < count:
        round_of_all = list(kinds)
        dice.shuffle(round_of_all)
        drawn += round_of_all
    return drawn[:count]


@dataclass
class Attacker:
    """Strikes at a crew, and at guests where it may; ``study_id`` is the only study whose row it locks."""

    crew: Crew
    study_id: int
    grace_s: float
    dice: random.Random
    guests: Callable[[], Sequence[Guest]] = tuple
    done: list[Attack] = field(default_factory=list)
    _to_undo: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _busy_guests: set[str] = field(default_factory=set)  # stopped at the moment, killed, or asked to leave

    def strike(self, kind: Kind, now_s: float) -> Attack | None:
        """Make one attack; None: there is nothing to strike at the moment."""
        match kind:
            case "kill":
                attack = self._kill(now_s)
            case "stop":
                attack = self._stop(now_s)
            case "cut":
                attack = self._cut(now_s)
            case "leave":
                attack = self._ask_to_leave(now_s)
            case "lock":
                attack = self._lock(now_s)
            case _:
                assert_never(kind)
        if attack is not None:
            self.done.append(attack)
        return attack

    def undo_due(self, now_s: float) -> None:
        """Take back what has lasted long enough."""
        due = [undo for until, undo in self._to_undo if until <= now_s]
        self._to_undo = [(until, undo) for until, undo in self._to_undo if until > now_s]
        for undo in due:
            undo()

    def undo_all(self) -> None:
        """Take everything back now."""
        self.undo_due(float("inf"))

    def _kill(self, now_s: float) -> Attack | None:
        """A worker, or only its attempt: by turns."""
        attempts = self.crew.attempts() if self._count("kill") % 2 else []
        if attempts:
            pid = self.dice.choice(attempts)
            for place in self.crew.places:  # plain Optuna's attempts run in their workers
                place.was_struck |= place.is_alive and _pid(place) == pid
            _signal(pid, signal.SIGKILL)
            return Attack(now_s, "kill", f"the attempt in process {pid}")
        victim = self._victim()
        return None if victim is None else self._send(victim, signal.SIGKILL, "kill", now_s)

    def _ask_to_leave(self, now_s: float) -> Attack | None:
        victim = self._victim()
        return None if victim is None else self._send(victim, signal.SIGTERM, "leave", now_s)

    def _send(self, victim: Place | Guest, number: signal.Signals, kind: Kind, now_s: float) -> Attack:
        if isinstance(victim, Guest):
            self._busy_guests.add(victim.worker_id)
            _signal(victim.pid, number)
            return Attack(now_s, kind, victim.worker_id)
        assert victim.process is not None
        victim.was_struck = True
        victim.process.send_signal(number)
        return Attack(now_s, kind, victim.name)

    def _stop(self, now_s: float) -> Attack | None:
        victim = self._victim()
        if victim is None:
            return None
        for_s = self._duration_s("stop")
        pid = victim.pid if isinstance(victim, Guest) else _pid(victim)
        _signal(pid, signal.SIGSTOP)
        self._hold(victim, now_s + for_s, lambda: _signal(pid, signal.SIGCONT))
        return Attack(now_s, "stop", victim.worker_id if isinstance(victim, Guest) else victim.name, for_s)

    def _cut(self, now_s: float) -> Attack | None:
        """Let nothing through for a while, or end the connections: by turns."""
        victims = [place for place in self._free_places() if place.proxy is not None]
        if not victims:
            return None
        victim = self.dice.choice(victims)
        assert victim.proxy is not None
        if self._count("cut") % 2:
            victim.proxy.drop_all()
            return Attack(now_s, "cut", f"the connection of {victim.name}")
        for_s = self._duration_s("cut")
        victim.proxy.cut()
        self._hold(victim, now_s + for_s, victim.proxy.heal)
        return Attack(now_s, "cut", victim.name, for_s)

    def _lock(self, now_s: float) -> Attack | None:
        """Hold the lock that every claim of the drill's own study needs."""
        for_s = min(self.grace_s, _LONGEST_LOCK_S)
        try:
            connection = open_psycopg(self.crew.url)
        except HpotoolError:
            return None
        try:
            with connection.cursor() as cursor:
                cursor.execute(query("lock_study"), {"study_id": self.study_id})
        except psycopg2.Error:
            connection.close()
            return None
        self._to_undo.append((now_s + for_s, connection.close))
        return Attack(now_s, "lock", "the study's row", for_s)

    def _duration_s(self, kind: Kind) -> float:
        """The first of a kind lasts for longer than the grace period, so that others take the trial over."""
        return self.grace_s * (self.dice.uniform(0.3, 2.0) if self._count(kind) else 1.5)

    def _count(self, kind: Kind) -> int:
        return sum(attack.kind == kind for attack in self.done)

    def _hold(self, victim: Place | Guest, until_s: float, undo: Callable[[], None]) -> None:
        if isinstance(victim, Guest):
            self._busy_guests.add(victim.worker_id)
        else:
            victim.is_held = True
        self._to_undo.append((until_s, lambda: self._let_go(victim, undo)))

    def _let_go(self, victim: Place | Guest, undo: Callable[[], None]) -> None:
        if isinstance(victim, Guest):
            self._busy_guests.discard(victim.worker_id)
        else:
            victim.is_held = False
        undo()

    def _victim(self) -> Place | Guest | None:
        guests = [guest for guest in self.guests() if guest.worker_id not in self._busy_guests]
        victims: list[Place | Guest] = [*self._free_places(), *guests]
        return self.dice.choice(victims) if victims else None

    def _free_places(self) -> list[Place]:
        return [
            place for place in self.crew.places if place.is_alive and not place.is_held and not place.was_struck
        ]


def _pid(place: Place) -> int:
    assert place.process is not None
    return place.process.pid


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
