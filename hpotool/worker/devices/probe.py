"""Asks the driver about devices in a process of its own, which can be given up when the driver hangs.

``python -m hpotool.worker.devices.probe SINCE UUID…`` prints one line of JSON: the health of each device.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module

from hpotool.worker.devices.health import Health, find_xids, health_from_data, read_health

PATIENCE_S = 20.0  # a driver without persistence mode takes seconds to answer at first


def probe(uuids: Sequence[str], since_s: float, patience_s: float = PATIENCE_S) -> Mapping[str, Health]:
    """The health of each device; a driver that does not answer within ``patience_s`` is an error of all."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hpotool.worker.devices.probe", f"{since_s:.3f}", *uuids],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,  # a Ctrl-C is for the worker
    )
    try:
        output, errors = process.communicate(timeout=patience_s)
    except subprocess.TimeoutExpired:
        _give_up(process)
        return dict.fromkeys(uuids, Health(error=f"no answer within {patience_s:g} s"))
    try:
        return {uuid: health_from_data(data) for uuid, data in json.loads(output).items()}
    except (ValueError, TypeError):
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        return dict.fromkeys(uuids, Health(error=last[0]))


def _give_up(process: subprocess.Popen[bytes]) -> None:
    """Kill the process, and do not wait for it: in the driver, even SIGKILL may have to wait."""
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.1)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def main(since_s: float, uuids: Sequence[str]) -> None:
    """Print the health of the devices."""
    library = import_module("pynvml")
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        found = dict.fromkeys(uuids, Health(error=str(error)))
    else:
        xids = find_xids(since_s)
        found = {uuid: read_health(library, uuid, xids) for uuid in uuids}
    sys.stdout.write(json.dumps({uuid: asdict(health) for uuid, health in found.items()}) + "\n")


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
