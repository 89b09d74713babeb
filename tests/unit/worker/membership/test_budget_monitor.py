from datetime import timedelta

import pytest

from hpotool.errors import InputError
from hpotool.study.spec import BudgetSpec
from hpotool.worker.membership.budget_monitor import check_price, has_monitored_limits


def test_the_number_of_trials_alone_is_not_watched() -> None:
    assert not has_monitored_limits(BudgetSpec(trials=9))
    for budget in (BudgetSpec(wall=timedelta(hours=1)), BudgetSpec(target={"loss": 0.1}), BudgetSpec(failed=0)):
        assert has_monitored_limits(budget)


def test_a_cost_needs_the_price_of_the_slot() -> None:
    budget = BudgetSpec(cost=9, prices={"H100": 2.5})
    check_price(budget, "gpu 0 (NVIDIA H100)")
    check_price(BudgetSpec(), "gpu 0 (NVIDIA A100)")
    with pytest.raises(InputError, match="no price for 'gpu 0"):
        check_price(budget, "gpu 0 (NVIDIA A100)")
