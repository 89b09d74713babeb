"""Replicates are beside the search: no place of the budget, no sampler, no pruner; each is there once."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.storage.control import orders
from hpotool.storage.control.confirmations import (
    cancel_confirmation,
    order_confirmation,
    order_next_round,
    queue_cancelled_again,
    read_confirmation,
)
from hpotool.storage.fleet.attempts import Attempt, Ending, NoTrial, fail_and_queue, finish_attempt, finish_late
from hpotool.storage.fleet.spool import SpooledAttempt
from hpotool.storage.fleet.trial_content import TrialContent
from hpotool.storage.fleet.usage import UsageReader
from hpotool.storage.open import open_storage
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.outcome import Outcome
from hpotool.study.phase import Reevaluation
from hpotool.study.spec import BudgetSpec, MetricSpec

DONE = Ending(Outcome.COMPLETE)
LOST = Ending(Outcome.LOST, "no heartbeat", follow_up="retry")
POINTS = (Point("trial 0", {"x": 0.5}, trial=0), Point("baseline", {"x": 0.1}, is_baseline=True))


def _order(study, order: Order) -> list[int]:
    return order_confirmation(study.connection.run, study.study_id, "test", order.including)[1]


def _run_one(study, worker, value: float = 1.0) -> Attempt:
    attempt = study.claim(worker)
    assert isinstance(attempt, Attempt)
    finish_attempt(study.connection.run, attempt, "test", TrialState.COMPLETE, [value], DONE)
    return attempt


def _marks(study) -> list[Reevaluation]:
    rows = study.connection.run(
        "SELECT value_json FROM trial_system_attributes WHERE key = 'hpotool:phase' ORDER BY trial_id"
    )
    return [Reevaluation(**json.loads(mark)) for (mark,) in rows]


def test_replicates_run_in_a_study_that_is_done_and_take_no_place(make_study) -> None:
    study = make_study(budget=2)
    worker = study.worker()
    _run_one(study, worker), _run_one(study, worker)
    assert study.claim(worker).kind == "done"

    assert _order(study, Order(POINTS, seeds=2)) == [2, 3, 4, 5]
    assert _marks(study) == [Reevaluation("confirm", name, k) for k in (0, 1) for name in ("trial 0", "baseline")]
    places = orders.count_budget(study.connection.run, study.study_id)
    assert (places.finished, places.running, places.waiting, places.open_replicates) == (2, 0, 0, 4)

    assert [_run_one(study, worker).number for _ in range(4)] == [2, 3, 4, 5]
    assert study.claim(worker).kind == "done"
    study.set_budget(4)  # what the search has left is exactly what was added
    assert [_run_one(study, worker).number for _ in range(2)] == [6, 7]
    assert study.claim(worker).kind == "done"
    assert orders.count_budget(study.connection.run, study.study_id).finished == 4


def test_an_infinite_violation_of_a_replicate_is_a_number(make_study) -> None:
    study = make_study(budget=1)
    worker = study.worker()
    _run_one(study, worker)
    _order(study, Order(POINTS[:1], seeds=2))
    for violation in ("Infinity", "-1.5"):
        attempt = study.claim(worker)
        study.connection.run(
            "INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (%s, 'constraints:load', %s)",
            (attempt.trial_id, violation),
        )
        finish_attempt(study.connection.run, attempt, "test", TrialState.COMPLETE, [1.0], DONE)
    found = read_confirmation(study.connection.run, study.study_id)
    assert [one.measured.violations for one in found.replicates] == [{"load": math.inf}, {"load": -1.5}]
    assert order_next_round(study.connection.run, study.study_id, "test", [1.0]) == []


def test_a_cancelled_confirmation_runs_nothing_more_and_can_be_asked_for_again(make_study) -> None:
    study = make_study(budget=1)
    run, worker = study.connection.run, study.worker()
    _run_one(study, worker)
    order = Order(POINTS, seeds=2, confidence=0.999, most=40)
    _order(study, order)
    _run_one(study, worker)
    running = study.claim(worker)
    assert cancel_confirmation(run, study.study_id, "ann") == [2, 3, 4]
    ending = Ending(Outcome.CANCELLED, "the confirmation was cancelled")
    finish_attempt(run, running, "test", TrialState.FAIL, None, ending)
    assert study.claim(worker).kind == "done"
    assert order_next_round(run, study.study_id, "test", [1.0]) == [], "nobody adds more"
    assert cancel_confirmation(run, study.study_id, "ann") == []

    asked, numbers = order_confirmation(run, study.study_id, "bob", replace(order, seeds=2).including, POINTS[:1])
    assert numbers == []
    again = queue_cancelled_again(run, study.study_id, asked, POINTS[:1], "bob")
    assert len(again) == 1, "of the point that was asked for, and not what was measured"
    assert _run_one(study, worker).number == again[0]
    found = read_confirmation(run, study.study_id)
    measured = [(one.reevaluation.point, one.reevaluation.replicate) for one in found.replicates if one.measured]
    assert sorted(measured) == [("trial 0", 0), ("trial 0", 1)]
    assert sum(one.is_cancelled for one in found.replicates) == 2
    assert cancel_confirmation(run, make_study(study_name="other").study_id, "ann") == []


def test_replicates_go_before_new_trials_and_leave_the_budget_exact(make_study) -> None:
    study = make_study(budget=3)
    worker = study.worker()
    _run_one(study, worker)
    _order(study, Order(POINTS, seeds=1))
    claimed = [_run_one(study, worker).number for _ in range(4)]
    assert claimed == [1, 2, 3, 4]
    assert study.claim(worker).kind == "done"


@pytest.mark.parametrize("state", ["paused", "stopped", "draining"])
def test_a_study_that_was_told_to_rest_runs_no_replicates(state, make_study) -> None:
    study = make_study(budget=1)
    worker = study.worker()
    _run_one(study, worker)
    _order(study, Order(POINTS, seeds=1))
    orders.set_state(study.connection.run, study.study_id, state, "", "test")
    assert study.claim(worker).kind == state


def test_a_study_at_its_limit_runs_replicates_and_stays_done(make_study) -> None:
    study = make_study()
    worker = study.worker()
    _run_one(study, worker)
    orders.finish_study(study.connection.run, study.study_id, "budget.wall: an hour", "test")
    _order(study, Order(POINTS[:1], seeds=1))
    attempt = study.claim(worker)
    assert isinstance(attempt, Attempt)
    waiting = study.claim(study.worker())
    assert isinstance(waiting, NoTrial)
    assert (waiting.kind, waiting.running_replicates) == ("wait", 1), "it may have to be tried again"
    finish_attempt(study.connection.run, attempt, "test", TrialState.COMPLETE, [1.0], DONE)
    assert study.claim(worker).kind == "done"
    assert orders.read_settings(study.connection.run, study.study_id).reason == "budget.wall: an hour"


def test_what_was_asked_for_once_is_not_asked_for_again(make_study) -> None:
    study = make_study(budget=1)
    _run_one(study, study.worker())
    assert len(_order(study, Order(POINTS, seeds=2))) == 4
    assert _order(study, Order(POINTS, seeds=2)) == []
    assert len(_order(study, Order(POINTS, seeds=3))) == 2
    same_point = Point("trial 9", {"x": 0.5}, trial=9)
    assert _order(study, Order((same_point,), seeds=3)) == []
    other = Point("trial 1", {"x": 0.7}, trial=1)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: _order(study, Order((other,), seeds=3)), range(4)))
    assert sorted(map(len, found)) == [0, 0, 0, 3]
    order = read_confirmation(study.connection.run, study.study_id).order
    assert [point.name for point in order.points] == ["trial 0", "baseline", "trial 1"]


def test_a_lost_replicate_is_tried_again_as_the_same_replicate(make_study) -> None:
    study = make_study(budget=1)
    worker = study.worker()
    _run_one(study, worker)
    _order(study, Order(POINTS[:1], seeds=1))
    first = study.claim(worker)
    assert isinstance(first, Attempt)
    fail_and_queue(study.connection.run, study.study_id, first.trial_id, "reaper", LOST, event="reap")

    again = study.claim(worker)
    assert isinstance(again, Attempt)
    assert (again.number, again.root_number) == (2, 1)
    finish_attempt(study.connection.run, again, "test", TrialState.COMPLETE, [3.0], DONE)
    found = read_confirmation(study.connection.run, study.study_id)
    assert [(one.reevaluation.replicate, one.number, one.measured.values) for one in found.replicates] == [
        (0, 2, (3.0,))
    ]
    assert orders.count_budget(study.connection.run, study.study_id).finished == 1
    assert study.claim(worker).kind == "done"


def test_a_late_result_completes_the_waiting_replicate_although_the_budget_is_used_up(make_study) -> None:
    study = make_study(budget=1)
    worker = study.worker()
    _run_one(study, worker)
    _order(study, Order(POINTS[:1], seeds=1))
    attempt = study.claim(worker)
    fail_and_queue(study.connection.run, study.study_id, attempt.trial_id, "reaper", LOST, event="reap")
    is_kept = finish_late(study.connection.run, attempt, "test", TrialContent(), TrialState.COMPLETE, [2.0], DONE)
    assert is_kept
    [one] = read_confirmation(study.connection.run, study.study_id).replicates
    assert one.measured.values == (2.0,)


def test_samplers_and_pruners_do_not_see_replicates(make_study) -> None:
    study = make_study(budget=2)
    worker = study.worker()
    _run_one(study, worker, 5.0), _run_one(study, worker, 4.0)
    hidden = optuna.load_study(study_name=study.optuna.study_name, storage=open_storage(study.url.sqlalchemy))
    shown = optuna.load_study(
        study_name=study.optuna.study_name, storage=open_storage(study.url.sqlalchemy, hides_reevaluations=False)
    )
    assert hidden.best_value == 4.0
    _order(study, Order(POINTS[:1], seeds=3))
    _run_one(study, worker, -9.0)
    running = study.claim(worker)
    assert isinstance(running, Attempt)

    for view in (
        hidden,
        optuna.load_study(study_name=study.optuna.study_name, storage=open_storage(study.url.sqlalchemy)),
    ):
        storage = view._storage
        assert storage.get_n_trials(view._study_id) == 2, "before anything of it was read, and after"
        assert view.best_value == 4.0
        assert [trial.number for trial in view.trials] == [0, 1]
        assert view.get_trials(deepcopy=False, states=(TrialState.WAITING, TrialState.RUNNING)) == []
        assert storage.get_all_trials(view._study_id, deepcopy=False, states=(TrialState.WAITING,)) == []
        assert [trial.number for trial in storage.follow(view._study_id).finished] == [0, 1]
        assert storage.get_n_trials(view._study_id) == 2
    assert [trial.number for trial in shown.trials] == [0, 1, 2, 3, 4]
    assert shown.trials[2].user_attrs == {"confirms": "trial 0"}
    assert hidden.ask().number == 5, "a script of one's own takes none of them"


def test_replicates_spend_nothing_of_the_budget(make_study) -> None:
    study = make_study()
    worker = study.worker(slot="gpu 0")
    _run_one(study, worker, 5.0)
    reader = UsageReader(study.connection.run, study.study_id, [MetricSpec("value", "minimize")])
    limits = BudgetSpec(target={"value": 0.0}, patience=1, failed=1, gpu_hours=1.0)
    _order(study, Order(POINTS[:1], seeds=2))
    _run_one(study, worker, -1.0)
    attempt = study.claim(worker)
    finish_attempt(study.connection.run, attempt, "test", TrialState.FAIL, None, Ending(Outcome.ERROR, "no"))
    used = reader.read(limits)
    assert used.failed == 0
    assert used.progress.finished_since_improvement == 0
    assert used.progress.front == ((5.0,),)
    assert used.gpu_hours < 1.0


def test_more_replicates_are_asked_for_until_it_is_decided(make_study) -> None:
    study = make_study(budget=1)
    worker = study.worker()
    _run_one(study, worker)
    run, study_id = study.connection.run, study.study_id
    _order(study, Order(POINTS, seeds=2, confidence=0.95, most=40))
    assert order_next_round(run, study_id, "test", [1.0]) == [], "it is not measured yet"
    noise = iter([0.0, 0.1, 0.3, -0.2])
    for _ in range(4):
        _run_one(study, worker, next(noise))

    more = order_next_round(run, study_id, "test", [1.0])
    assert len(more) == 4
    assert order_next_round(run, study_id, "test", [1.0]) == [], "it is ordered"
    for index in range(4):
        _run_one(study, worker, (0.0, 9.0)[index % 2] + index / 100)
    while more := order_next_round(run, study_id, "test", [1.0]):
        for index in range(len(more)):
            _run_one(study, worker, (0.0, 9.0)[index % 2] + index / 100)
    assert len(read_confirmation(run, study_id).replicates) <= 40


def test_a_spooled_replicate_keeps_its_mark_and_a_trial_of_the_search_its_old_shape(make_study) -> None:
    study = make_study(budget=2)
    worker = study.worker()
    attempt = study.claim(worker)
    plain = SpooledAttempt(attempt, worker, TrialContent([], [], {}, {}), None)
    assert "apart" not in json.loads(plain.to_json())["attempt"]
    assert SpooledAttempt.from_json(plain.to_json()) == plain
    marked = replace(plain, attempt=replace(attempt, reevaluation=Reevaluation("confirm", "trial 0", 1)))
    assert SpooledAttempt.from_json(marked.to_json()) == marked
