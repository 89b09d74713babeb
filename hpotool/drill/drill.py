"""Runs a drill: keeps the workers of a scratch study up, attacks them, and judges what is left.

It never touches another study: what it writes, locks and deletes is its own study's, and what it kills, stops and
cuts off are processes that it started, or that serve its study on this machine where that is allowed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hpotool.drill.attacks import Attacker, Guest, Kind, draw_kinds
from hpotool.drill.invariants import Facts, judge
from hpotool.drill.objective import FOLDER, value_of
from hpotool.drill.plan import Plan, Report
from hpotool.drill.processes import Crew, left_behind
from hpotool.drill.scratch import Progress, Scratch

_PAUSE_S = 0.1
_BETWEEN_ATTACKS_S = 1.5
_SWEEP_S = 60.0
_GONE_WITHIN_S = 5.0  # docs/guarantees.md, G7


class Drill:
    """One drill on a scratch study.

    Args:
        folder: for logs and what workers keep
        say: hears each attack
        should_end: whether somebody wants it to end before it is done
    """

    def __init__(
        self,
        scratch: Scratch,
        plan: Plan,
        folder: Path,
        say: Callable[[str], None],
        should_end: Callable[[], bool] = lambda: False,
    ) -> None:
        self._scratch = scratch
        self._plan = plan
        self._say = say
        self._should_end = should_end
        variables = {**plan.joining_variables, "HPOTOOL_HOME": str(folder), FOLDER: str(folder)}
        self._crew = Crew(
            scratch.connection.url, scratch.name, folder, plan.workers, variables, plan.trials, plan.is_plain
        )
        self._workers: set[str] = set()
        self._began = time.monotonic()

    def run(self) -> Report | None:
        """Serve and attack the study until it is done, or the patience ends; then judge. None: it should end.

        Raises:
            HpotoolError: workers cannot be kept running.
        """
        dice = random.Random(self._plan.seed)
        attacker = Attacker(self._crew, self._scratch.study_id, self._grace_s, dice, self._guests)
        try:
            is_done = self._attack_until_done(attacker, draw_kinds(self._allowed(), self._plan.attacks, dice))
        finally:
            attacker.undo_all()
        if is_done:
            self._settle()
        if self._should_end():
            return None
        took_s = self._now()
        self._crew.close()
        if is_done:
            self._crew.sweep(_SWEEP_S)
        evidence = self._scratch.evidence()
        workers = len(self._workers) or len(self._crew.places)
        verdicts = judge(
            Facts(
                self._plan.trials,
                evidence,
                returned=self._crew.returned(),
                expected=value_of,
                processes=_left_in_time(self._crew.marker),
                unsent=self._crew.unsent(),
                endings=self._crew.endings,
            ),
            has_processes=bool(self._crew.places),
        )
        return Report(self._scratch.name, self._plan, took_s, is_done, workers, attacker.done, verdicts, evidence)

    def clean_up(self, *, keep: bool) -> None:
        """End what was started, and ask who joined to leave; unless ``keep``, delete the study."""
        self._crew.close()
        self._scratch.end(within_s=3 * self._interval_s)
        if not keep:
            self._scratch.delete()

    def _attack_until_done(self, attacker: Attacker, planned: list[Kind]) -> bool:
        """Whether the study was done in time. No attack comes before a trial runs."""
        next_attack_s = _BETWEEN_ATTACKS_S
        while self._now() < self._plan.patience_s and not self._should_end():
            progress = self._look()
            if progress.finished >= self._plan.trials:
                return True
            self._crew.keep_up()
            attacker.undo_due(self._now())
            if not progress.running:
                next_attack_s = max(next_attack_s, self._now() + _BETWEEN_ATTACKS_S / 2)
            elif planned and self._now() >= next_attack_s and self._strike(attacker, planned[0]):
                planned.pop(0)
                next_attack_s = self._now() + _BETWEEN_ATTACKS_S
            time.sleep(_PAUSE_S)
        return False

    def _strike(self, attacker: Attacker, kind: Kind) -> bool:
        attack = attacker.strike(kind, self._now())
        if attack is not None:
            self._say(str(attack))
        return attack is not None

    def _settle(self) -> None:
        """Wait until what still runs has ended or been taken over, and the workers have left."""
        until = time.monotonic() + 2 * self._grace_s + 10 * self._interval_s
        while time.monotonic() < until and not self._should_end():
            progress = self._look()
            has_left = self._crew.note_ends()
            if progress.is_known and has_left and progress.running + progress.waiting == 0:
                return
            time.sleep(_PAUSE_S)
        staying = [place.name for place in self._crew.places if place.is_alive]
        self._crew.endings.extend(f"{name} stays although the study is done" for name in staying)

    def _look(self) -> Progress:
        progress = self._scratch.progress()
        self._workers |= progress.workers
        return progress

    def _allowed(self) -> Sequence[Kind]:
        if "cut" not in self._plan.kinds or self._crew.can_be_cut:
            return self._plan.kinds
        self._say("the storage URL names several servers: connections are not cut")
        return [kind for kind in self._plan.kinds if kind != "cut"]

    def _guests(self) -> list[Guest]:
        if not self._plan.may_strike_guests:
            return []
        own = frozenset(place.process.pid for place in self._crew.places if place.process is not None)
        return self._scratch.guests(own)

    @property
    def _grace_s(self) -> float:
        return self._plan.pulse.grace.total_seconds()

    @property
    def _interval_s(self) -> float:
        return self._plan.pulse.interval.total_seconds()

    def _now(self) -> float:
        return time.monotonic() - self._began


def _left_in_time(marker: str) -> list[str]:
    """What is still there after the seconds in which a dead worker's children must be gone."""
    until = time.monotonic() + _GONE_WITHIN_S
    while (found := left_behind(marker)) and time.monotonic() < until:
        time.sleep(_PAUSE_S)
    return found
