"""Fault points: named places at which tests break a worker on purpose. When off, a point costs one comparison.

``HPOTOOL_FAULT=POINT:ACTION:FOLDER``: the first process that reaches POINT writes its pid to FOLDER/fired, and
then

    kill    is killed, as by ``kill -9``
    stop    is suspended, as by ``kill -STOP``
    raise   raises `InjectedFaultError`
    wait    waits until FOLDER/go exists
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

_PLANNED = os.environ.get("HPOTOOL_FAULT", "")


class InjectedFaultError(Exception):
    """Raised only by fault points."""


def fault_point(name: str) -> None:
    """Break here if this fault is requested."""
    if _PLANNED and _PLANNED.partition(":")[0] == name:
        _, action, folder = _PLANNED.split(":", 2)
        _break(name, action, Path(folder))


def _break(name: str, action: str, folder: Path) -> None:
    try:
        with (folder / "fired").open("x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return  # it has already happened
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "raise":
        raise InjectedFaultError(name)
    else:
        while not (folder / "go").exists():
            time.sleep(0.02)
