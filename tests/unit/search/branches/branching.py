"""Trials as the branching rules see them, and a fleet of imagined workers that follows a rule to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpotool.search.branches.branching import BranchingRule, BranchTree
from hpotool.study.branch import BRANCH_ATTRIBUTE, Branch

SPACE: dict[str, BaseDistribution] = {"lr": FloatDistribution(1e-4, 1.0, log=True)}
NOON = datetime.fromisoformat("2024-01-01T12:00")  # without a zone, as Optuna has it


def trial(
    number: int,
    value: float | None = None,
    branch: Branch | None = None,
    state: TrialState | None = None,
    params: Mapping[str, Any] | None = None,
    space: Mapping[str, BaseDistribution] = SPACE,
    **attributes: Any,
) -> FrozenTrial:
    """A trial; COMPLETE with a value, else RUNNING, unless ``state`` says otherwise."""
    state = state or (TrialState.RUNNING if value is None else TrialState.COMPLETE)
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=value,
        datetime_start=NOON,
        datetime_complete=NOON + timedelta(minutes=number) if state.is_finished() else None,
        params=dict(params or {"lr": 0.01}),
        distributions=dict(space),
        user_attrs={},
        system_attrs={**({BRANCH_ATTRIBUTE: branch.to_attribute()} if branch else {}), **attributes},
        intermediate_values={},
    )


def run_fleet(
    rule: BranchingRule, budget: int, branch_places: int, workers: int, value_of: Callable[[int], float]
) -> list[FrozenTrial]:
    """Let workers claim, run and finish trials until nothing is left to do; trials last at random."""
    rng, trials, running = np.random.default_rng(0), list[FrozenTrial](), dict[int, float]()
    clock, branches = 0.0, 0
    while True:
        while len(running) < workers:
            found = (
                rule.next_branch(BranchTree(trials), StudyDirection.MINIMIZE, 1)
                if branches < branch_places
                else None
            )
            number = len(trials)
            if found is not None:
                trials.append(trial(number, branch=found.branch, params=found.params))
                branches += 1
            elif number - branches < budget - branch_places:
                trials.append(trial(number, params={"lr": float(10 ** rng.uniform(-4, 0))}))
            else:
                break
            running[number] = clock + rng.lognormal()
        if not running:
            return trials
        number = min(running, key=lambda candidate: running[candidate])
        clock = running.pop(number)
        ended = trials[number]
        ended.state, ended.values = TrialState.COMPLETE, [value_of(number)]
        ended.datetime_complete = NOON + timedelta(minutes=clock)
