"""Notifications as data: times in UTC, and none where nothing was sent yet."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from hpotool.cli.commands.run.notify import _as_data, _sender
from hpotool.errors import InputError
from hpotool.storage.tracking.notices import Notice

BERLIN = timezone(timedelta(hours=2))
NOTICED = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=BERLIN)


def test_times_are_in_utc_to_the_second() -> None:
    data = _as_data(Notice("done", "digits is done", "the best is trial 3", NOTICED, NOTICED, 1, None))
    assert (data["noticed"], data["sent"]) == ("2026-07-01T10:00:00+00:00",) * 2
    assert (data["event"], data["title"], data["tries"], data["trouble"]) == ("done", "digits is done", 1, None)


def test_what_was_not_sent_has_no_time_and_its_trouble() -> None:
    data = _as_data(Notice("done", "t", "b", NOTICED, None, 3, "json://x did not accept it"))
    assert (data["sent"], data["tries"], data["trouble"]) == (None, 3, "json://x did not accept it")


@pytest.mark.parametrize("addresses", ["", "   "])
def test_without_an_address_it_says_how_to_give_one(addresses: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPOTOOL_NOTIFY", addresses)
    with pytest.raises(InputError, match="nothing says where notices go") as refused:
        _sender()
    assert (refused.value.hint or "").startswith("export HPOTOOL_NOTIFY=")
