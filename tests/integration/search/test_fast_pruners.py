"""The fast pruners give Optuna's verdicts: the same history and the same reports, twice."""

import pickle
import uuid
import warnings

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.pruners import HyperbandPruner, MedianPruner, PercentilePruner, SuccessiveHalvingPruner
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from hpotool.search.pruning.fast_pruners import fast_pruner
from hpotool.storage.open import open_storage

VALUE = st.one_of(st.floats(-4, 4), st.sampled_from([0.0, 1.0, float("nan"), float("inf"), float("-inf")]))
REPORTS = st.dictionaries(st.integers(0, 12), VALUE, max_size=8)
FINISHED = st.tuples(st.sampled_from([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]), REPORTS)
HISTORY = st.lists(FINISHED, max_size=12)
LIVE = st.lists(st.lists(VALUE, min_size=1, max_size=13), min_size=1, max_size=3)
PRUNER = st.one_of(
    st.builds(
        PercentilePruner,
        st.sampled_from([0.0, 10.0, 25.0, 50.0, 66.6, 100.0]),
        n_startup_trials=st.integers(0, 4),
        n_warmup_steps=st.integers(0, 3),
        interval_steps=st.integers(1, 3),
        n_min_trials=st.integers(1, 3),
    ),
    st.builds(MedianPruner, n_startup_trials=st.integers(0, 5)),
    st.builds(
        SuccessiveHalvingPruner,
        min_resource=st.sampled_from(["auto", 1, 2]),
        reduction_factor=st.integers(2, 4),
        min_early_stopping_rate=st.integers(0, 1),
    ),
    st.builds(
        SuccessiveHalvingPruner,
        min_resource=st.just(1),
        reduction_factor=st.integers(2, 3),
        bootstrap_count=st.integers(0, 3),
    ),
    st.builds(HyperbandPruner, max_resource=st.sampled_from(["auto", 9, 13]), reduction_factor=st.integers(2, 3)),
)


def _finished(state, reports):
    values = [1.0] if state == TrialState.COMPLETE else None
    rungs = {f"completed_rung_{rung}": value for rung, value in enumerate(reports.values()) if value == value}
    return create_trial(state=state, values=values, intermediate_values=reports, system_attrs=rungs)


def _verdicts(study, live):
    """Several trials that run at the same time report in turns, and each finishes in the end."""
    trials = [study.ask() for _ in live]
    verdicts = []
    for step in range(max(map(len, live))):
        for trial, values in zip(trials, live, strict=True):
            if step < len(values):
                trial.report(values[step], step)
                verdicts.append((trial.number, step, trial.should_prune()))
    for trial in trials:
        study.tell(trial, 0.0)
    return verdicts


@pytest.fixture(scope="module")
def storage(postgres):
    with postgres.database(f"fast_pruners_{uuid.uuid4().hex}") as url:
        yield open_storage(url)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    pruner=PRUNER,
    history=HISTORY,
    rounds=st.lists(LIVE, min_size=1, max_size=2),
    direction=st.sampled_from(["minimize", "maximize"]),
)
def test_every_verdict_is_optunas(storage, pruner, history, rounds, direction):
    warnings.simplefilter("ignore")
    name = optuna.create_study(storage=storage).study_name  # Hyperband's brackets depend on it
    optuna.delete_study(study_name=name, storage=storage)
    sampler = optuna.samplers.RandomSampler(seed=0)
    twin = pickle.loads(pickle.dumps(pruner))
    theirs, ours = (
        optuna.create_study(study_name=name, storage=place, pruner=pruner, sampler=sampler, direction=direction)
        for place, pruner in ((InMemoryStorage(), twin), (storage, fast_pruner(pruner)))
    )
    assert type(ours.pruner) is not type(theirs.pruner)
    for state, reports in history:
        for study in (theirs, ours):
            study.add_trial(_finished(state, reports))
    for live in rounds:
        assert _verdicts(ours, live) == _verdicts(theirs, live)


def test_workers_that_look_at_different_moments_have_the_same_rungs(storage):
    """Optuna's own would have its first rung at the second step in one process, and at the tenth in the other."""
    early, late = (fast_pruner(SuccessiveHalvingPruner()) for _ in range(2))
    study = optuna.create_study(storage=storage, pruner=early)
    study.add_trial(_finished(TrialState.COMPLETE, {0: 0.0, 250: 0.0}))
    assert not any(is_pruned for *_, is_pruned in _verdicts(study, [[0.0] * 30]))
    study.add_trial(_finished(TrialState.COMPLETE, {0: 0.0, 1000: 0.0}))
    pruned_at = []
    for study.pruner in (early, late):
        verdicts = _verdicts(study, [[9.0] * 30])
        pruned_at.append(next(step for _, step, is_pruned in verdicts if is_pruned))
    assert pruned_at == [2, 2]


def test_a_fast_pruner_on_another_storage_and_after_pickling_is_optunas():
    study = optuna.create_study(pruner=pickle.loads(pickle.dumps(fast_pruner(MedianPruner(n_startup_trials=1)))))
    study.add_trial(_finished(TrialState.COMPLETE, {0: 1.0}))
    trial = study.ask()
    trial.report(2.0, 0)
    assert trial.should_prune()


def test_a_pruner_of_the_users_own_is_left_alone():
    class Own(MedianPruner):
        pass

    pruner = Own()
    assert fast_pruner(pruner) is pruner
