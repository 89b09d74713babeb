"""hpotool: hyperparameter studies on any number of GPU machines with one Postgres between them.

The names here are the ones a script or an objective may use; importing this package costs nothing,
each name loads what it needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpotool.checkpoints import checkpoint_step, latest_checkpoint, save_checkpoint
    from hpotool.reporting import (
        checkpoint_dir,
        infeasible,
        params,
        report,
        seed,
        should_prune,
        should_stop,
        steps,
    )
    from hpotool.storage.open import open_storage

__version__ = "0.1.0"
__all__ = [
    "checkpoint_dir",
    "checkpoint_step",
    "infeasible",
    "latest_checkpoint",
    "open_storage",
    "params",
    "report",
    "save_checkpoint",
    "seed",
    "should_prune",
    "should_stop",
    "steps",
]

_HOMES = {
    "open_storage": "hpotool.storage.open",
    "checkpoint_step": "hpotool.checkpoints",
    "latest_checkpoint": "hpotool.checkpoints",
    "save_checkpoint": "hpotool.checkpoints",
}
_FOR_SCRIPTS = frozenset(__all__) - frozenset(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _FOR_SCRIPTS:
        return getattr(import_module("hpotool.reporting"), name)
    raise AttributeError(f"module 'hpotool' has no attribute {name!r}")
