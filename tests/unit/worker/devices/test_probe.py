"""The probe as a process of its own, with a driver that the test puts in its place."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from hpotool.worker.devices.health import Health
from hpotool.worker.devices.probe import probe

ROOT = Path(__file__).parents[4]


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests" / "fake_driver"), str(ROOT)]))
    monkeypatch.setenv("TEST_GPUS", str(tmp_path / "gpus.json"))
    return tmp_path / "gpus.json"


def tell(driver: Path, **devices: dict[str, Any]) -> None:
    driver.write_text(json.dumps(devices))


def test_each_device_is_asked_about(driver: Path) -> None:
    tell(driver, a={}, b={"ecc": 2, "hot": True}, c={"lost": True})
    assert probe(["a", "b", "c"], 0.0) == {
        "a": Health(uncorrected=0),
        "b": Health(uncorrected=2, is_hot=True),
        "c": Health(error="GPU is lost", is_lost=True),
    }


def test_a_driver_that_hangs_is_given_up(driver: Path) -> None:
    tell(driver, a={"hangs": True}, b={})
    began = time.monotonic()
    found = probe(["a", "b"], 0.0, patience_s=1.5)
    assert {health.error for health in found.values()} == {"no answer within 1.5 s"}
    assert time.monotonic() - began < 30
    tell(driver, a={}, b={})  # lets the process go, if it was not killed


def test_a_driver_that_is_gone_or_fails_is_an_error_of_every_device(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.write_text("{")
    assert {"JSONDecodeError" in (health.error or "") for health in probe(["a", "b"], 0.0).values()} == {True}
    monkeypatch.delenv("TEST_GPUS")
    assert probe(["a"], 0.0) == {"a": Health(error="error 1")}
