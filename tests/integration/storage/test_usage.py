"""What a study has used, read from a real database again and again."""

from __future__ import annotations

from datetime import timedelta

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hpotool.storage.fleet.attempts import Ending, fail_and_queue, finish_attempt
from hpotool.storage.fleet.usage import UsageReader
from hpotool.study.outcome import Outcome
from hpotool.study.rules.budget import FinishedTrial, Progress
from hpotool.study.spec import BudgetSpec, MetricSpec
from tests.unit.study.rules.progress import progress_of

LOSS = (MetricSpec("loss", "minimize"),)
PATIENCE = BudgetSpec(patience=100)


def add(study: optuna.Study, value: float | None, violation: float | None = None) -> FinishedTrial:
    """A finished trial as plain Optuna writes it; what the budget should see of it."""
    trial = study.ask()
    if violation is not None:
        trial.set_constraint("size", violation)
    if value is None:
        trial.report(1.0, 0)
        study.tell(trial, state=TrialState.PRUNED)
        return FinishedTrial(None)
    study.tell(trial, value)
    return FinishedTrial((value,), {} if violation is None else {"constraints:size": violation})


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_progress_that_is_read_in_steps_is_the_progress_of_all(make_study) -> None:
    study = make_study()
    reader = UsageReader(study.connection.run, study.study_id, LOSS)
    assert reader.read(PATIENCE).progress == Progress()
    results = []
    for value, violation in [
        (3.0, None),
        (2.0, 1.0),
        (None, None),
        (2.5, -1.0),
        (float("inf"), None),
        (2.5, None),
    ]:
        results.append(add(study.optuna, value, violation))
        assert reader.read(PATIENCE).progress == progress_of(results, LOSS)
    fresh = UsageReader(study.connection.run, study.study_id, LOSS)
    assert fresh.read(PATIENCE).progress == progress_of(results, LOSS) == Progress(((2.5,),), 2)


def test_a_trial_that_finishes_after_later_ones_is_not_missed(make_study) -> None:
    study = make_study()
    slow = study.optuna.ask()
    add(study.optuna, 5.0)
    reader = UsageReader(study.connection.run, study.study_id, LOSS)
    assert reader.read(PATIENCE).progress.front == ((5.0,),)
    add(study.optuna, 6.0)
    study.optuna.tell(slow, 1.0)
    assert reader.read(PATIENCE).progress == Progress(((1.0,),), 0)
    assert reader.read(PATIENCE).progress == Progress(((1.0,),), 0)


def test_two_metrics_come_in_their_order(make_study) -> None:
    study = make_study(directions=["maximize", "minimize"])
    study.optuna.add_trial(create_trial(values=[0.9, 20.0]))
    reader = UsageReader(study.connection.run, study.study_id, (MetricSpec("a", "maximize"), *LOSS))
    assert reader.read(BudgetSpec(target={"a": 1.0})).progress.front == ((-0.9, 20.0),)


def test_failed_trials_that_are_tried_again_are_not_counted(make_study) -> None:
    study = make_study()
    worker = study.worker()
    reader = UsageReader(study.connection.run, study.study_id, LOSS)
    limits = BudgetSpec(failed=10)
    first = study.claim(worker)
    fail_and_queue(
        study.connection.run, study.study_id, first.trial_id, "test", Ending(Outcome.CRASH, follow_up="retry")
    )
    assert reader.read(limits).failed == 0
    again = study.claim(worker)
    finish_attempt(study.connection.run, again, "test", TrialState.FAIL, None, Ending(Outcome.CRASH))
    assert reader.read(limits).failed == 1


def test_time_and_money_follow_the_attempts_of_each_slot(make_study) -> None:
    study = make_study()
    limits = BudgetSpec(wall=timedelta(days=9), gpu_hours=1000, cost=1000, prices={"H100": 2.0, "cpu": 0.5})
    reader = UsageReader(study.connection.run, study.study_id, LOSS)
    assert reader.read(limits).wall == timedelta()
    for slot in ("cpu", "gpu 0 (NVIDIA H100)", "gpu 0,1 (NVIDIA H100)"):
        study.claim(study.worker(slot=slot))
    study.connection.run("UPDATE hpotool.study_settings SET first_claim_at = first_claim_at - interval '3 h'", {})
    study.connection.run("UPDATE hpotool.attempts SET started_at = started_at - interval '1 h'", {})
    used = reader.read(limits)
    assert used.wall.total_seconds() == pytest.approx(3 * 3600, rel=0.02)
    assert used.gpu_hours == pytest.approx(3, rel=0.02)
    assert used.cost == pytest.approx(0.5 + 2 + 4, rel=0.02)


def test_replicates_are_told_by_their_stored_parameters(make_study) -> None:
    study = make_study()
    space = {
        "x": optuna.distributions.FloatDistribution(0, 1),
        "k": optuna.distributions.CategoricalDistribution(["a", None]),
    }
    for value, x, k in [(1.0, 0.1, "a"), (2.0, 0.1, None), (5.0, 0.1, "a")]:
        study.optuna.add_trial(create_trial(value=value, params={"x": x, "k": k}, distributions=space))
    progress = UsageReader(study.connection.run, study.study_id, LOSS, replicates=True).read(PATIENCE).progress
    assert progress.front == ((2.0,),)
    assert sorted(len(of_point) for of_point in progress.replicates.values()) == [1, 2]
