"""GPUs for real worker processes on a machine that has none: a driver of the test's own, answering from a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.faults.fleet import Fleet, Kind

_ROOT = Path(__file__).parents[1]


class Machine:
    """One machine with these GPUs of 16 GB; ``fleet`` gives studies whose workers are on it."""

    def __init__(self, folder: Path, *uuids: str) -> None:
        self.folder = folder
        self._states: dict[str, dict[str, Any]] = {uuid: {} for uuid in uuids}
        self._file = folder / "gpus.json"
        self._write()

    def change(self, uuid: str, **state: Any) -> None:
        """Have the driver say something else of a device; see tests/fake_driver/pynvml.py."""
        self._states[uuid] |= state
        self._write()

    def _write(self) -> None:
        beside = self._file.with_suffix(".new")
        beside.write_text(json.dumps(self._states))
        beside.replace(self._file)

    def fleet(
        self, url: str, study: str, budget: int, settings: str = "", function: str = "", **more: Any
    ) -> Fleet:
        """A study with a folder and an HPOTOOL_HOME of its own."""
        folder = self.folder / study
        folder.mkdir()
        path = [_ROOT / "tests" / "fake_driver", folder, _ROOT]
        environment = {
            "TEST_GPUS": str(self._file),
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "HPOTOOL_GPU_FOLDER": str(self.folder / "promises"),
        }
        kind = Kind(
            f"sampler: {{name: random, seed: 1}}\n{settings}",
            function=function or "tests.faults.misbehaving:waits_for_a_file",
        )
        return Fleet(url, folder, budget, kind=kind, study=study, environment=environment, **more)
