"""How pools look in a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from hpotool.api.pools import place_as_data, pools_as_data
from hpotool.cli.commands.fleet.pools import _draw
from hpotool.storage.pools.places import Place, PoolWorkers

PLACE = Place(
    "gpus", "a-study-with-quite-a-long-name-0123456789", 10, 2.5, 12, "ann.smith@lab.org", True, "running", None,
    None, 11, 11, 3600.0,
)  # fmt: skip
OVER = "ann has used 100.00 of 100 GPU-hours of this month, and may go on at 2026-12-01 00:00 UTC"
PLACES = [
    PLACE,
    replace(
        PLACE, study="digits", priority=-3, weight=1, max_running=None, owner=None, preempts=False, day_s=1200.0
    ),
    replace(PLACE, study="waits", closed_because="quota", quota=OVER, day_s=0.0),
    replace(PLACE, pool="other", study="alone", day_s=0.0),
]
WORKERS = [PoolWorkers("gpus", 12, 11), PoolWorkers("idle", 1, 0)]


def drawn(places: list[Place], workers: list[PoolWorkers], width: int = 80) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(_draw(places, workers))
    return file.getvalue()


def test_everything_fits_into_80_columns() -> None:
    screen = drawn(PLACES, WORKERS)
    assert all(len(line) <= 80 for line in screen.splitlines()), screen
    assert "more column" not in screen
    words = " ".join(screen.split())
    for part in ("gpus: 12 workers, 1 of them free", "idle: 1 worker, 1 of them free", "other: no workers"):
        assert part in words
    assert f"waits is over quota: {OVER}" in words
    assert "11/12" in words
    assert "75%" in words
    assert "10!" in words


def test_no_pools_say_how_to_get_one() -> None:
    assert "hpotool share STUDY --pool NAME" in drawn([], [])


def test_the_data_has_every_pool_with_its_studies_or_workers() -> None:
    rows = [place_as_data(place, PLACES) for place in PLACES]
    found = pools_as_data(PLACES, WORKERS)
    assert [(pool["pool"], pool["workers"], pool["busy"], len(pool["studies"])) for pool in found] == [
        ("gpus", 12, 11, 3),
        ("idle", 1, 0, 0),
        ("other", 0, 0, 1),
    ]
    assert [row["share"] for row in rows] == [0.75, 0.25, 0.0, None]
    assert rows[2]["waits"] == f"is over quota: {OVER}"
    assert rows[0]["waits"] is None
