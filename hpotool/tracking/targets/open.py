"""From a tracker's name to the tracker, and to the job that exports to it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from typing_extensions import assert_never

from hpotool.errors import InputError
from hpotool.study.file.grammar.tracking import check_mlflow_address, check_wandb_project
from hpotool.study.spec import TrackingSpec
from hpotool.tracking.targets.mlflow import MlflowTarget
from hpotool.tracking.targets.target import Target
from hpotool.tracking.targets.tensorboard import TensorboardTarget
from hpotool.tracking.targets.wandb import WandbTarget

TrackerName = Literal["mlflow", "tensorboard", "wandb"]


@dataclass(frozen=True)
class Destination:
    """Where a study goes: which tracker, its address or folder, and for MLflow the experiment."""

    tracker: TrackerName
    address: str
    experiment: str | None = None

    @property
    def job(self) -> str:
        """What names the job in the database: one for each place."""
        experiment = f" {self.experiment}" if self.experiment else ""
        return f"{self.tracker} {self.address}{experiment}"

    def open(self, tracking: TrackingSpec) -> Target:
        """The tracker, with what the study's file says beside the address; nothing is sent yet.

        Raises:
            InputError: its library is not installed here, or it cannot use the address.
        """
        match self.tracker:
            case "mlflow":
                return MlflowTarget(self.address, self.experiment, tracking.most_bytes, tracking.model)
            case "tensorboard":
                return TensorboardTarget(self.address)
            case "wandb":
                return WandbTarget(self.address, tracking.most_bytes)
            case _:
                assert_never(self.tracker)


def destinations_of(tracking: TrackingSpec) -> list[Destination]:
    """Where a study's file says that it goes."""
    found: list[Destination] = []
    if tracking.mlflow is not None:
        found.append(Destination("mlflow", tracking.mlflow, tracking.experiment))
    if tracking.tensorboard is not None:
        found.append(Destination("tensorboard", tracking.tensorboard))
    if tracking.wandb is not None:
        found.append(Destination("wandb", tracking.wandb))
    return found


def choose_destination(
    tracker: TrackerName, address: str | None, experiment: str | None, tracking: TrackingSpec
) -> Destination:
    """Where to: what is said, else what the study's file says, else what the tracker's own variables say.

    Raises:
        InputError: nothing says it, or an address that cannot be used.
    """
    stored = next((each for each in destinations_of(tracking) if each.tracker == tracker), None)
    if address is None and stored is not None:
        return stored if experiment is None else Destination(tracker, stored.address, experiment)
    if address is None:
        address = _from_environment(tracker)
    if address is None:
        raise InputError(
            f"neither --address nor the study says where {tracker} is", f"add --address {_EXAMPLES[tracker]}"
        )
    try:
        if tracker == "mlflow":
            return Destination(tracker, check_mlflow_address(address), experiment)
        return Destination(tracker, check_wandb_project(address) if tracker == "wandb" else address)
    except ValueError as error:
        raise InputError(str(error), f"--address {_EXAMPLES[tracker]}") from None


_EXAMPLES = {"mlflow": "http://127.0.0.1:5000", "tensorboard": "runs", "wandb": "my-team/digits"}


def _from_environment(tracker: TrackerName) -> str | None:
    """Where the tracker's own variables say that it is."""
    if tracker == "mlflow":
        return os.environ.get("MLFLOW_TRACKING_URI") or None
    if tracker == "wandb":
        words = [os.environ.get("WANDB_ENTITY"), os.environ.get("WANDB_PROJECT")]
        return "/".join(filter(None, words)) if words[1] else None
    return None
