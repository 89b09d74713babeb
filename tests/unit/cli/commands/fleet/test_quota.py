"""How quotas look, in a terminal and as data."""

from __future__ import annotations

from datetime import datetime

import pytest

from hpotool.api.pools import quota_as_data
from hpotool.cli.commands.fleet.quota import Period, _cells
from hpotool.storage.pools.accounts import Quota

QUOTA = Quota("ann", "week", 100.0, 12.34567, datetime(2026, 11, 30), "me@here")  # noqa: DTZ001  (UTC, as stored)


def test_the_data_is_exact_and_says_when_it_begins_anew() -> None:
    assert quota_as_data(QUOTA) == {
        "owner": "ann",
        "period": "week",
        "gpu_hours": 100.0,
        "used": 12.3457,
        "is_used_up": False,
        "until": "2026-11-30T00:00:00Z",
        "set_by": "me@here",
    }


@pytest.mark.parametrize(("used", "mark"), [(99.999, ""), (100.0, "used up"), (130.0, "used up")])
def test_a_quota_that_is_used_up_is_marked(used: float, mark: str) -> None:
    cells = _cells(Quota("ann", "week", 100.0, used, QUOTA.until, "me"))
    assert (cells["GPU-hours"], cells[""]) == ("100", mark)
    assert cells["until (UTC)"] == "2026-11-30 00:00"


def test_a_period_is_one_that_the_database_knows() -> None:
    assert [period.value for period in Period] == ["day", "week", "month"]
