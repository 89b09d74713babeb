"""For scripts that hpotool runs as commands: report metrics, ask whether to continue, find checkpoints.

Needs only the standard library. When the script is run by hand, without an attempt, every call is harmless:
``report`` does nothing, ``should_prune`` and ``should_stop`` return False, ``params`` returns its defaults.

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

# The exit codes of a command, documented in docs/objectives.md: EX_TEMPFAIL (75) and EX_DATAERR (65) of
# sysexits.h.
EXIT_INFEASIBLE = 65
EXIT_PREEMPTED = 75

HIGHEST_STEP = 2**31 - 1  # Optuna stores steps in 32 bits

_SOCKET = "HPOTOOL_ATTEMPT"
_connection: dict[int, socket.SocketType] = {}  # one per process: a fork must not share its parent's


def report(step: int | None = None, **metrics: float) -> None:
    """Report metrics by name, at ``step`` or as final values. Names that are not metrics of the study are ignored.

    Raises:
        ValueError: the step is negative or beyond ``HIGHEST_STEP``.
    """
    values = {name: float(value) for name, value in metrics.items()}
    if step is not None and not 0 <= int(step) <= HIGHEST_STEP:
        raise ValueError(f"a step must be a whole number from 0 to {HIGHEST_STEP}")
    _ask({**values, **({} if step is None else {"step": int(step)})})


def should_prune() -> bool:
    """Whether the study's pruner would end this trial now. If so, end the script, in any way."""
    return bool(_ask({"ask": "should_prune"}))


def should_stop() -> bool:
    """Whether the worker must leave: save a checkpoint and exit; the trial is started again elsewhere."""
    return bool(_ask({"ask": "should_stop"}))


def params(**defaults: Any) -> dict[str, Any]:
    """The trial's parameters; ``defaults`` for those it does not have, or for all if the script is run by hand."""
    path = os.environ.get("HPOTOOL_PARAMS")
    return {**defaults, **(json.loads(Path(path).read_text()) if path else {})}


def checkpoint_dir() -> Path | None:
    """The checkpoint folder that all attempts of this trial share; None if the script is run by hand."""
    folder = os.environ.get("HPOTOOL_CHECKPOINT_DIR")
    return Path(folder) if folder else None


def seed(default: int = 0) -> int:
    """The trial's seed, the same for each attempt; ``default`` if the script is run by hand."""
    return int(os.environ.get("HPOTOOL_SEED", default))


def phase() -> str:
    """What this trial is for: ``search``, ``confirm`` or ``final``; ``search`` by hand."""
    return os.environ.get("HPOTOOL_PHASE", "search")


def holdout() -> list[str | int]:
    """The study's ``holdout``: names of data, or numbers of folds. Empty in the search, which is not told."""
    parts = os.environ.get("HPOTOOL_HOLDOUT", "").split(",")
    return [int(part) if part.isdecimal() else part for part in parts if part]


def steps(default: int) -> int:
    """The step to train to, counted from the start of all training rather than from the checkpoint.

    It differs between trials in studies with tiers or a population; ``default`` in other studies.
    """
    return int(os.environ.get("HPOTOOL_STEPS", default))


def infeasible(reason: str = "") -> NoReturn:
    """End the script because these parameters cannot work; the sampler learns to avoid them."""
    if reason:
        sys.stderr.write(f"infeasible: {reason}\n")
    sys.exit(EXIT_INFEASIBLE)


def _ask(request: dict[str, Any]) -> Any:
    """The worker's answer; None if there is no worker, or none any more."""
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
