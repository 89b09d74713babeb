"""A drill's plan, for tests."""

from __future__ import annotations

from datetime import timedelta

from hpotool.drill.attacks import KINDS
from hpotool.drill.plan import Plan
from hpotool.settings import Pulse

PULSE = Pulse(timedelta(seconds=0.5), timedelta(seconds=2))
PLAN = Plan(trials=1, workers=2, kinds=KINDS, attacks=3, pulse=PULSE, seed=7, patience_s=60)
