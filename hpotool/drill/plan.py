"""What a drill is to do, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpotool.drill.attacks import Attack, Kind
from hpotool.drill.invariants import Verdict
from hpotool.settings import Pulse
from hpotool.storage.monitoring.evidence import Evidence


@dataclass(frozen=True)
class Plan:
    """What the drill is to do.

    Attributes:
        workers: how many to start on this machine; more may join.
        kinds: the attacks that are allowed, and ``attacks`` how many to make.
        patience_s: how long the study may take.
        may_strike_guests: also kill, stop and ask to leave workers on this machine that joined by themselves.
        is_plain: start workers of plain Optuna.
    """

    trials: int
    workers: int
    kinds: Sequence[Kind]
    attacks: int
    pulse: Pulse
    seed: int
    patience_s: float
    may_strike_guests: bool = False
    is_plain: bool = False

    @property
    def joining_variables(self) -> Mapping[str, str]:
        """What workers must have in their environment to join: all workers of a study need the same pulse."""
        return {
            "HPOTOOL_HEARTBEAT_INTERVAL_S": f"{self.pulse.interval.total_seconds():g}",
            "HPOTOOL_GRACE_PERIOD_S": f"{self.pulse.grace.total_seconds():g}",
        }


@dataclass(frozen=True)
class Report:
    """What happened, and the verdicts. ``workers`` counts all that served the study, successors included."""

    study: str
    plan: Plan
    took_s: float
    is_done: bool
    workers: int
    attacks: Sequence[Attack]
    verdicts: Sequence[Verdict]
    evidence: Evidence

    @property
    def passed(self) -> bool:
        """Whether every invariant held."""
        return all(verdict.holds for verdict in self.verdicts)

    def as_data(self) -> dict[str, Any]:
        """The report as JSON data."""
        return {
            "study": self.study,
            "passed": self.passed,
            "took_s": round(self.took_s, 1),
            "seed": self.plan.seed,
            "trials": self.plan.trials,
            "workers": self.workers,
            "attacks_planned": self.plan.attacks,
            "attacks": [vars(attack) | {"at_s": round(attack.at_s, 1)} for attack in self.attacks],
            "invariants": [
                {
                    "guarantee": verdict.invariant.guarantee,
                    "promise": verdict.invariant.promise,
                    "holds": verdict.holds,
                    "violations": list(verdict.violations),
                }
                for verdict in self.verdicts
            ],
            "trials_by_state": dict(Counter(trial.state for trial in self.evidence.trials)),
            "attempts_by_outcome": dict(Counter(attempt.outcome for attempt in self.evidence.attempts)),
        }
