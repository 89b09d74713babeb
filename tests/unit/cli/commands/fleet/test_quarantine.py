"""Hosts and GPUs in quarantine: as a table, as data, and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from hpotool.cli.commands.fleet.quarantine import _as_data, _draw
from hpotool.storage.fleet.quarantines import Quarantine
from tests.unit.cli.drawing import HOSTILE, drawn

NOW = datetime.now(timezone.utc)
OPEN = Quarantine("gpu7", None, "3 of 3 failed", "worker-1", NOW, NOW + timedelta(days=1), None, None, True)
DEVICE = replace(OPEN, device="GPU-1234", reason="ECC errors")
LIFTED = replace(OPEN, host="gpu8", is_open=False, lifted_by="ann@desk", lifted_at=NOW)
OVER = replace(OPEN, host="gpu9", is_open=False)


def test_the_data_says_what_and_until_when() -> None:
    data = _as_data(DEVICE)
    assert (data["place"], data["host"], data["device"], data["is_open"]) == ("GPU-1234", "gpu7", "GPU-1234", True)
    assert datetime.fromisoformat(data["until"]) - datetime.fromisoformat(data["since"]) == timedelta(days=1)
    assert datetime.fromisoformat(_as_data(LIFTED)["until"]) == NOW.replace(microsecond=0)


@pytest.mark.parametrize("width", [80, 200])
def test_each_entry_is_a_line_with_its_state(width: int) -> None:
    lines = drawn(_draw([OPEN, DEVICE, LIFTED, OVER]), width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) >= 6
    text = "\n".join(lines)
    for part in ("quarantined", "lifted by ann", "over", "gpu7", "GPU-1234"):
        assert part in text


def test_the_host_of_a_device_has_a_column_only_where_there_is_a_device() -> None:
    assert " host " in drawn(_draw([OPEN, DEVICE]), 200).splitlines()[0]
    assert " host " not in drawn(_draw([OPEN]), 200).splitlines()[0]


def test_a_reason_is_never_markup() -> None:
    text = drawn(_draw([replace(OPEN, reason=HOSTILE)]), 200)
    assert "[red]x[/red]" in text
    assert "\x1b" not in text
