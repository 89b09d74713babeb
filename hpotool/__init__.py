"""hpotool: hyperparameter studies on any number of GPU machines that share one Postgres.

These are the names for scripts and objectives. Importing the package is cheap: each name loads its dependencies
when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpotool.api.frame import trials_dataframe
    from hpotool.api.labels import note, tag
    from hpotool.api.pools import pools, quotas, set_quota, share, usage
    from hpotool.api.studies import create_study, load_study, open_storage
    from hpotool.api.work import run_worker, wait
    from hpotool.artifacts import log_artifact
    from hpotool.checkpoints import checkpoint_step, latest_checkpoint, save_checkpoint
    from hpotool.reporting import (
        checkpoint_dir,
        holdout,
        infeasible,
        params,
        phase,
        report,
        seed,
        should_prune,
        should_stop,
        steps,
    )

__version__ = "0.1.0"
__all__ = [
    "checkpoint_dir",
    "checkpoint_step",
    "create_study",
    "holdout",
    "infeasible",
    "latest_checkpoint",
    "load_study",
    "log_artifact",
    "note",
    "open_storage",
    "params",
    "phase",
    "pools",
    "quotas",
    "report",
    "run_worker",
    "save_checkpoint",
    "seed",
    "set_quota",
    "share",
    "should_prune",
    "should_stop",
    "steps",
    "tag",
    "trials_dataframe",
    "usage",
    "wait",
]

_HOMES = {
    "create_study": "hpotool.api.studies",
    "load_study": "hpotool.api.studies",
    "note": "hpotool.api.labels",
    "open_storage": "hpotool.api.studies",
    "pools": "hpotool.api.pools",
    "quotas": "hpotool.api.pools",
    "set_quota": "hpotool.api.pools",
    "share": "hpotool.api.pools",
    "usage": "hpotool.api.pools",
    "run_worker": "hpotool.api.work",
    "tag": "hpotool.api.labels",
    "trials_dataframe": "hpotool.api.frame",
    "wait": "hpotool.api.work",
    "log_artifact": "hpotool.artifacts",
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


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
