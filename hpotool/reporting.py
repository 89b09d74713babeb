"""For scripts that hpotool runs as a command: report metrics, ask whether to go on, find the checkpoints.

Nothing but the standard library is needed. Run by hand, where there is no attempt, every call is harmless:
``report`` does nothing, ``should_prune`` and ``should_stop`` say no, ``params`` gives back its defaults.

    import hpotool
    lr = hpotool.params(lr=0.01)["lr"]
    for epoch in range(30):
        …
        hpotool.report(accuracy=accuracy, step=epoch)
        if hpotool.should_prune():
            break
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

# Documented exit codes of a command; see docs/objectives.md. 75 is EX_TEMPFAIL, 65 is EX_DATAERR of sysexits.h.
EXIT_INFEASIBLE = 65
EXIT_PREEMPTED = 75

HIGHEST_STEP = 2**31 - 1  # Optuna keeps steps in 32 bits

_SOCKET = "HPOTOOL_ATTEMPT"
_connection: dict[int, socket.SocketType] = {}  # by process: a fork must not share its parent's


def report(step: int | None = None, **metrics: float) -> None:
    """Report metrics by name, at ``step`` or as final values. Only the metrics of the study count.

    Raises:
        ValueError: the step is negative or beyond ``HIGHEST_STEP``.
    """
    values = {name: float(value) for name, value in metrics.items()}
    if step is not None and not 0 <= int(step) <= HIGHEST_STEP:
        raise ValueError(f"a step is a whole number from 0 to {HIGHEST_STEP}")
    _ask({**values, **({} if step is None else {"step": int(step)})})


def should_prune() -> bool:
    """Whether the study's pruner would end this trial now. End the script then, in any way."""
    return bool(_ask({"ask": "should_prune"}))


def should_stop() -> bool:
    """Whether the machine is wanted back: write a checkpoint and end; the trial is started again elsewhere."""
    return bool(_ask({"ask": "should_stop"}))


def params(**defaults: Any) -> dict[str, Any]:
    """The trial's parameters; ``defaults`` for those that it does not have, and all of them by hand."""
    path = os.environ.get("HPOTOOL_PARAMS")
    return {**defaults, **(json.loads(Path(path).read_text()) if path else {})}


def checkpoint_dir() -> Path | None:
    """The folder that all attempts of this trial share, wherever they run; None by hand."""
    folder = os.environ.get("HPOTOOL_CHECKPOINT_DIR")
    return Path(folder) if folder else None


def seed(default: int = 0) -> int:
    """The trial's seed, the same for each of its attempts; ``default`` by hand."""
    return int(os.environ.get("HPOTOOL_SEED", default))


def phase() -> str:
    """What this trial is for: ``search``, ``confirm`` or ``final``; ``search`` by hand."""
    return os.environ.get("HPOTOOL_PHASE", "search")


def holdout() -> list[str | int]:
    """The study's ``holdout``: names of data, or numbers of folds. Empty in the search, which is not told."""
    parts = os.environ.get("HPOTOOL_HOLDOUT", "").split(",")
    return [int(part) if part.isdecimal() else part for part in parts if part]


def steps(default: int) -> int:
    """Up to which step this trial is to go, counted from the start of its training and not from its checkpoint.

    It differs from trial to trial in a study with tiers and in population based training; ``default`` elsewhere.
    """
    return int(os.environ.get("HPOTOOL_STEPS", default))


def infeasible(reason: str = "") -> NoReturn:
    """End the script: these parameters cannot work, and the search should learn that."""
    if reason:
        sys.stderr.write(f"infeasible: {reason}\n")
    sys.exit(EXIT_INFEASIBLE)


def _ask(request: dict[str, Any]) -> Any:
    """The worker's answer; None where there is no worker, or none any more."""
    path = os.environ.get(_SOCKET)
    if not path:
        return None
    try:
        connection = _connection.get(os.getpid()) or _connect(path)
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            received = connection.recv(4096)
            if not received:
                return None
            answer += received
    except OSError:
        return None
    return json.loads(answer)


def _connect(path: str) -> socket.SocketType:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(path)
    _connection[os.getpid()] = connection
    return connection
