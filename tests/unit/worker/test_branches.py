"""Which studies have trials that continue each other, and which checkpoints those still need."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hpotool.search.branches.population import PopulationSampler
from hpotool.search.branches.tiers import Tiers
from hpotool.search.samplers import build_sampler
from hpotool.study.file.reader import read_study_file
from hpotool.worker.branches import Branches, branching_rule

TEXT = """
study: s
objective: {python: m:f}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
"""
TIERS = "tiers: [{trials: 4, steps: 1}, {trials: 2, steps: 3}]\n"


def test_a_study_without_tiers_and_population_has_no_rule() -> None:
    assert branching_rule(read_study_file(TEXT), optuna.samplers.RandomSampler()) is None


def test_tiers_are_a_rule_whatever_the_sampler() -> None:
    rule = branching_rule(read_study_file(TEXT + TIERS), optuna.samplers.TPESampler())
    assert isinstance(rule, Tiers)


def test_a_population_is_its_own_rule() -> None:
    spec = read_study_file(TEXT + "sampler: {name: pbt, interval: 5, population_size: 4}\nbudget: {trials: 20}\n")
    sampler = build_sampler(spec.sampler)
    assert isinstance(sampler, PopulationSampler)
    assert branching_rule(spec, sampler) is sampler


@pytest.mark.parametrize(("finished", "unneeded"), [(2, set()), (3, {2}), (4, {2, 3})])
def test_checkpoints_of_trials_that_no_tier_takes_are_unneeded_once_that_is_certain(
    finished: int, unneeded: set[int]
) -> None:
    def refuse(*_: object) -> list[tuple[object, ...]]:
        raise AssertionError("nothing is asked of the database")

    spec = read_study_file(TEXT + TIERS)
    study = optuna.create_study()
    for number in range(finished):
        study.add_trial(create_trial(state=TrialState.COMPLETE, value=float(number)))
    branches = Branches(Tiers(spec.tiers), refuse, 1, "w")
    assert branches.unneeded_lineages(study) == unneeded
