"""Every test here ends by looking for processes that its workers have left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.fleet import wait_until


@pytest.fixture(autouse=True)
def nothing_is_left_running(tmp_path: Path) -> Iterator[None]:
    """Workers are in the environment of their test's folder, and so is whatever they start."""
    yield
    try:
        wait_until(lambda: not _running_in(tmp_path), "the processes of the test's workers to be gone", 5.0)
    finally:
        for process in _running_in(tmp_path):
            process.kill()


def _running_in(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            place = process.environ().get("TEST_FOLDER")
            if place and Path(place).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found
