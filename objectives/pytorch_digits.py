"""A small network on handwritten digits: reports per epoch, pruning, and a checkpoint that a retry continues from.

Runs on a GPU where there is one. ``HPOTOOL_CHECKPOINT_DIR`` names a directory that outlives the attempt; a trial
that is interrupted after epoch 7 goes on with epoch 8 and ends with the very numbers it would have had.
``HPOTOOL_STEPS`` says after how many epochs a trial ends, where the study decides that (tiers, population).
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import optuna
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

EPOCHS = 15
torch.set_num_threads(1)  # several workers share a machine


@functools.cache
def pick_device() -> torch.device:
    """Return the GPU if there is one. Never called while importing: a process that forks must not touch CUDA."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@functools.cache
def load_data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return training images, validation images and their labels, on the device; the split is always the same."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images / 16.0, labels, test_size=0.25, stratify=labels, random_state=0)
    train_x, valid_x, train_y, valid_y = (torch.as_tensor(part, device=pick_device()) for part in parts)
    return train_x.float(), valid_x.float(), train_y.long(), valid_y.long()


def build_network(trial: optuna.Trial) -> nn.Sequential:
    """Return one to three hidden layers, each with a width of its own."""
    layers: list[nn.Module] = []
    width = 64
    dropout = trial.suggest_float("dropout", 0.0, 0.5)
    for index in range(trial.suggest_int("layers", 1, 3)):
        hidden = trial.suggest_int(f"width_{index}", 16, 256, log=True)
        layers += [nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout)]
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, 10)).to(pick_device())


def train_epoch(network: nn.Module, optimizer: torch.optim.Optimizer, batch_size: int) -> None:
    """Go through the training images once, in random order."""
    train_x, _, train_y, _ = load_data()
    network.train()
    for batch in torch.randperm(len(train_x)).split(batch_size):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(train_x[batch]), train_y[batch]).backward()
        optimizer.step()


def measure_accuracy(network: nn.Module) -> float:
    """Return the share of validation images whose digit is recognised."""
    _, valid_x, _, valid_y = load_data()
    network.eval()
    with torch.no_grad():
        return (network(valid_x).argmax(dim=1) == valid_y).double().mean().item()


def save_checkpoint(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, curve: list[float]) -> None:
    """Write all that the next epoch depends on. Whoever is killed in here leaves the previous checkpoint whole."""
    state = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all(),  # an empty list without a GPU
        "curve": curve,
    }
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        torch.save(state, file)
        os.fsync(file.fileno())
    unfinished.replace(path)


def load_checkpoint(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> list[float]:
    """Restore what an earlier attempt saved, and return its accuracies: one per epoch that is behind us."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["rng"])
    if len(state["cuda_rng"]) == torch.cuda.device_count():  # the retry may run on another kind of machine
        torch.cuda.set_rng_state_all(state["cuda_rng"])
    return list(state["curve"])


def objective(trial: optuna.Trial) -> float:
    """Return the best validation accuracy of any epoch."""
    torch.manual_seed(int(os.environ.get("HPOTOOL_SEED", trial.number)))
    network = build_network(trial)
    rates = {
        "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True),
    }
    optimizer = torch.optim.AdamW(network.parameters(), **rates)
    batch_size = trial.suggest_categorical("batch_size", [32, 64, 128])

    directory = os.environ.get("HPOTOOL_CHECKPOINT_DIR")
    checkpoint = Path(directory, "digits.pt") if directory else None
    curve: list[float] = []
    if checkpoint and checkpoint.exists():
        curve = load_checkpoint(checkpoint, network, optimizer)
        for group in optimizer.param_groups:
            group.update(rates)  # the checkpoint may come from a trial with others
        print(f"continuing after epoch {len(curve)}")
        for epoch, accuracy in enumerate(curve):
            trial.report(accuracy, epoch)  # a retry is a new trial: give it the whole curve

    for epoch in range(len(curve), int(os.environ.get("HPOTOOL_STEPS", EPOCHS))):
        train_epoch(network, optimizer, batch_size)
        curve.append(measure_accuracy(network))
        if checkpoint:
            save_checkpoint(checkpoint, network, optimizer, curve)
        trial.report(curve[-1], epoch)
        if trial.should_prune():
            raise optuna.TrialPruned(f"accuracy {curve[-1]:.3f} after {epoch + 1} epochs")
    return max(curve)
