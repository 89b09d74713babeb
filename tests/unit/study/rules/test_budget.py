from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.study.rules.budget import (
    FinishedTrial,
    Progress,
    Usage,
    gpus_of_slot,
    hours_on_gpus,
    price_of_device,
    reached_limit,
    total_cost,
)
from hpotool.study.rules.regret import Regret
from hpotool.study.spec import BudgetSpec, MetricSpec
from tests.unit.study.rules.progress import progress_of

LOSS = (MetricSpec("loss", "minimize"),)
ACCURACY = (MetricSpec("accuracy", "maximize"),)
TWO = (MetricSpec("accuracy", "maximize"), MetricSpec("size", "minimize"))
HOUR = timedelta(hours=1)


def done(*values: float) -> Usage:
    return Usage(complete=len(values), progress=progress_of([FinishedTrial((value,)) for value in values], LOSS))


@pytest.mark.parametrize(
    ("budget", "usage", "key", "reason"),
    [
        (BudgetSpec(), Usage(complete=10**9, wall=HOUR * 10**5, failed=99), None, ""),
        (BudgetSpec(trials=3), Usage(complete=1, pruned=1, failed=9), None, ""),
        (BudgetSpec(trials=3), Usage(complete=1, pruned=2), "trials", "3 of 3 trials are finished"),
        (BudgetSpec(trials=2), Usage(complete=3), "trials", "3 of 2 trials are finished"),
        (BudgetSpec(wall=HOUR), Usage(wall=HOUR - timedelta(seconds=1)), None, ""),
        (BudgetSpec(wall=HOUR), Usage(wall=HOUR), "wall", "1h of wall time used, of 1h"),
        (BudgetSpec(gpu_hours=2.5), Usage(gpu_hours=2.5), "gpu_hours", "2.5 GPU hours used, of 2.5"),
        (BudgetSpec(cost=10), Usage(cost=10.5), "cost", "10.5 of cost used, of 10"),
        (BudgetSpec(target={"loss": 0.1}), done(0.3, 0.2), None, ""),
        (BudgetSpec(target={"loss": 0.1}), done(0.3, 0.1, 0.7), "target", "a trial reached the target (loss 0.1)"),
        (BudgetSpec(patience=2), done(0.3, 0.2, 0.4), None, ""),
        (
            BudgetSpec(patience=2),
            done(0.3, 0.2, 0.4, 0.2),
            "patience",
            "no improvement in the last 2 finished trials",
        ),
        (BudgetSpec(regret=0.01), Usage(), None, ""),
        (BudgetSpec(regret=0.01), Usage(regret=(Regret(0.001, 0.01, 40, 7),)), None, ""),
        (BudgetSpec(regret=0.01), Usage(regret=(None, Regret(0.001, 0.01, 40, 7))), None, ""),
        (
            BudgetSpec(regret=0.01),
            Usage(regret=(Regret(0.001, 0.01, 40, 7), Regret(0.001, 0.00234, 45, 7))),
            "regret",
            "after 45 trials, further search gains at most 0.00234 with probability 0.9, "
            "and the budget asks for 0.01",
        ),
        (BudgetSpec(failed=4), Usage(failed=3), None, ""),
        (BudgetSpec(failed=4), Usage(failed=4), "failed", "4 trials failed, and the budget allows 4"),
        (BudgetSpec(trials=1, failed=1), Usage(complete=1, failed=1), "trials", "1 of 1 trials are finished"),
    ],
)
def test_a_limit_is_reached_exactly_when_its_amount_is(
    budget: BudgetSpec, usage: Usage, key: str | None, reason: str
) -> None:
    reached = reached_limit(budget, LOSS, usage)
    assert (reached and reached.key) == key
    if reached is not None:
        assert reached.reason == reason


VALUES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=25)


@given(VALUES)
def test_with_several_metrics_an_improvement_is_a_new_point_of_the_pareto_front(
    points: list[tuple[int, int]],
) -> None:
    results = [FinishedTrial((float(accuracy), float(size))) for accuracy, size in points]
    since = 0
    for index, (accuracy, size) in enumerate(points):
        improves = not any(a >= accuracy and s <= size for a, s in points[:index])
        since = 0 if improves else since + 1
    progress = progress_of(results, TWO)
    assert progress.finished_since_improvement == since
    front = {(a, s) for a, s in points if not any((b >= a and t <= s) and (b, t) != (a, s) for b, t in points)}
    assert {(-a, s) for a, s in progress.front} == front


def test_infeasible_and_pruned_trials_improve_nothing_and_count_once_there_is_something_to_improve() -> None:
    pruned, infeasible = FinishedTrial(None), FinishedTrial((0.9,), violations={"size": 1.0})
    assert progress_of([pruned, infeasible, pruned], ACCURACY) == Progress()
    assert progress_of([pruned, FinishedTrial((0.5,)), infeasible, pruned], ACCURACY) == Progress(((-0.5,),), 2)


def test_a_target_is_reached_by_a_feasible_trial_that_reaches_all_of_it() -> None:
    budget = BudgetSpec(target={"accuracy": 0.9, "size": 10})
    apart = [
        FinishedTrial((0.95, 50.0)),
        FinishedTrial((0.5, 5.0)),
        FinishedTrial((0.95, 5.0), violations={"size": 1.0}),
    ]
    assert reached_limit(budget, TWO, Usage(progress=progress_of(apart, TWO))) is None
    together = [*apart, FinishedTrial((0.9, 10.0))]
    assert reached_limit(budget, TWO, Usage(progress=progress_of(together, TWO))) is not None


@pytest.mark.parametrize(
    ("device", "price"),
    [("NVIDIA H100 80GB HBM3", 2.5), ("NVIDIA H100 NVL", 2.0), ("Tesla T4", None), (None, 0.1)],
)
def test_a_device_costs_what_the_longest_name_in_it_says(device: str | None, price: float | None) -> None:
    assert price_of_device({"h100": 2.5, "H100 NVL": 2.0, "cpu": 0.1}, device) == price


@pytest.mark.parametrize(
    ("slot", "gpus"),
    [("cpu", 0), ("none", 0), ("", 0), ("0", 1), ("0,1", 2), ("gpu 3", 1), ("gpu 0,1 (NVIDIA H100, 80 GB)", 2)],
)
def test_a_slot_says_how_many_gpus_it_has(slot: str, gpus: int) -> None:
    assert gpus_of_slot(slot) == gpus


def test_a_trial_that_was_taken_over_can_reach_the_target_and_costs_no_patience() -> None:
    def taken(value: float) -> FinishedTrial:
        return FinishedTrial((value,), is_taken_over=True)

    progress = progress_of([taken(0.2), taken(0.5), FinishedTrial((0.3,)), FinishedTrial((0.3,))], LOSS)
    assert progress == Progress(((0.2,),), 2)
    assert reached_limit(BudgetSpec(target={"loss": 0.2}), LOSS, Usage(progress=progress)) is not None
    assert progress_of([FinishedTrial((0.3,)), FinishedTrial((0.4,)), taken(0.1)], LOSS) == Progress(((0.1,),), 0)


def test_hours_count_for_each_gpu_of_a_slot() -> None:
    assert hours_on_gpus({"gpu 0,1 (NVIDIA H100)": 2.0, "gpu 0": 1.0, "cpu": 9.0}) == 5.0


def test_each_hour_costs_what_its_device_costs() -> None:
    prices = {"H100": 2.5, "cpu": 0.5}
    assert total_cost({"gpu 0,1 (NVIDIA H100)": 2.0, "cpu": 3.0}, prices) == 2 * 2 * 2.5 + 3 * 0.5
    assert total_cost({"gpu 0 (NVIDIA A100)": 2.0}, prices) == 0.0
