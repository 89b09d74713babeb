"""hpotool: hyperparameter studies on any number of GPU machines with one Postgres between them.

The names here are the ones a script or an objective may use; importing this package costs nothing,
each name loads what it needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpotool.storage.open import open_storage

__version__ = "0.1.0"
__all__ = ["open_storage"]

_HOMES = {"open_storage": "hpotool.storage.open"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'hpotool' has no attribute {name!r}")
