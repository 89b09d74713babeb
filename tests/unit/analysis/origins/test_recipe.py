"""Which trials can be run again, and why others cannot."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from hpotool.analysis.origins.recipe import (
    _known_code,
    _refuse_copied,
    _refuse_elsewhere,
    _refuse_unfinished,
    _seed,
)
from hpotool.errors import InputError
from hpotool.storage.control.taken_over import TAKEN_FROM
from hpotool.study.branch import BRANCH_ATTRIBUTE, Branch
from hpotool.study.file.reader import read_study_file
from hpotool.study.phase import PHASE_ATTRIBUTE, Reevaluation
from hpotool.study.spec import StudySpec
from tests.unit.analysis.studies import add, make_study


def spec(more: str = "") -> StudySpec:
    return read_study_file(f"study: s\nobjective: {{python: m:f}}\nmetrics: {{loss: minimize}}\n{more}")


SKIPS = spec("search_space: {drop: {float: [0, 1]}}\nduplicates: skip\n")


def trial(state: TrialState = TrialState.COMPLETE, **attributes: Any) -> FrozenTrial:
    study = make_study("loss")
    add(study, [0.5] if state is TrialState.COMPLETE else None, {"drop": 0.1}, state, system_attrs=attributes)
    return study.trials[0]


@pytest.mark.parametrize("state", [TrialState.RUNNING, TrialState.WAITING])
def test_a_trial_that_has_not_ended_cannot_be_reproduced_yet(state: TrialState) -> None:
    with pytest.raises(InputError, match=f"trial 0 is {state.name}; it can be reproduced when it has ended") as no:
        _refuse_unfinished(trial(state), "my study")
    assert no.value.hint == "hpotool show 0 --study 'my study'"


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
def test_a_trial_that_ended_in_any_way_can(state: TrialState) -> None:
    _refuse_unfinished(trial(state), "s")
    _refuse_elsewhere(trial(state), "s")


def test_a_trial_of_another_study_is_reproduced_there() -> None:
    taken = trial(**{TAKEN_FROM: {"study": "old one", "number": 7}})
    with pytest.raises(InputError, match="trial 0 ran as trial 7 of study 'old one'") as refused:
        _refuse_elsewhere(taken, "s")
    assert refused.value.hint == "hpotool reproduce 7 --study 'old one'"


def test_a_trial_that_continues_another_depends_on_more_than_its_parameters() -> None:
    branched = trial(**{BRANCH_ATTRIBUTE: Branch(3, 2, 0, 9).to_attribute()})
    with pytest.raises(InputError, match="trial 0 continues the checkpoint of trial 2") as refused:
        _refuse_elsewhere(branched, "s")
    assert "hpotool export params --study s --trial 0" in (refused.value.hint or "")


def copied(*values: float | None) -> tuple[optuna.Study, dict[int, FrozenTrial]]:
    study = make_study("loss")
    for value in values:
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        add(study, None if value is None else [value], {"drop": 0.1}, state)
    return study, {one.number: one for one in study.trials}


def test_a_repeated_point_that_was_not_run_is_reproduced_as_the_first_one() -> None:
    _, trials = copied(None, 0.5, 0.5)
    with pytest.raises(InputError, match="trial 2 was not run: it has the result of trial 1") as refused:
        _refuse_copied(trials[2], trials, SKIPS, "s")
    assert refused.value.hint == "hpotool reproduce 1 --study s"
    _refuse_copied(trials[1], trials, SKIPS, "s")
    _refuse_copied(trials[2], trials, spec(), "s")


def test_equal_failures_and_other_values_are_no_copies() -> None:
    _, trials = copied(None, None, 0.4, 0.5)
    for number in (1, 3):
        _refuse_copied(trials[number], trials, SKIPS, "s")


def test_code_that_was_not_recorded_or_not_stored_whole_is_refused() -> None:
    with pytest.raises(InputError, match="the code of trial 7 was not recorded"):
        _known_code(None, 7)
    with pytest.raises(
        InputError, match=r"uncommitted changes that were too large to be stored \(d1ff\)"
    ) as refused:
        _known_code({"commit": "0123456789abcdef", "changes": "d1ff"}, 7)
    assert "0123456789ab" in (refused.value.hint or "")
    for code in ({"commit": "c"}, {"commit": "c", "changes": "d", "diff": "text"}, {"files": {}}):
        assert _known_code(code, 7) == code


def test_a_trial_has_the_seed_of_its_first_attempt_and_a_replicate_its_own() -> None:
    seeded = spec("sampler: {name: random, seed: 5}\n")
    assert _seed(spec("sampler: {name: random}\n"), trial()) is None
    first = _seed(seeded, trial())
    retried = trial(failed_trial=3)
    study = make_study("loss")
    for _ in range(4):
        add(study, [0.5], {"drop": 0.1})
    assert _seed(seeded, retried) == _seed(seeded, study.trials[3]) != first
    replicates = [
        trial(**{PHASE_ATTRIBUTE: Reevaluation("confirm", "trial 0", n).to_attribute()}) for n in (0, 0, 1)
    ]
    seeds = [_seed(seeded, one) for one in replicates]
    assert seeds[0] == seeds[1]
    assert len({first, *seeds}) == 3
