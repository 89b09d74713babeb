"""Small networks in PyTorch, all configurations of one shape at once: a step is an epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification, make_friedman2
from torch.nn import functional

from tests.benchmarks.learning_curves.training import Array, Configuration, Training, groups_of, standard_split

Tensor = torch.Tensor
Forward = Callable[[list[Tensor], Tensor], Tensor]  # weights of C networks and a batch → outputs (C, batch, out)
Loss = Callable[[Tensor, Tensor], Tensor]  # outputs and targets → one loss for each network

_BATCH = 64
_ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "gelu": functional.gelu}


def train(
    configurations: Sequence[Configuration],
    weights: list[Tensor],
    forward: Forward,
    data: tuple[Array, ...],
    losses: tuple[Loss, Loss],
    epochs: int,
) -> Array:
    """Return the validation losses of networks that are trained side by side, each with settings of its own.

    Stochastic gradient descent with ``lr``, ``momentum``, ``decay`` and ``schedule``. ``losses`` are the one that
    is trained and the one that is recorded.
    """
    inputs, targets, held_inputs, held_targets = (torch.as_tensor(part) for part in data)
    inputs, held_inputs = inputs.float(), held_inputs.float()
    rate, momentum, decay = (
        torch.tensor([float(one.get(key, default)) for one in configurations])
        for key, default in (("lr", 0.1), ("momentum", 0.0), ("decay", 0.0))
    )
    velocities = [torch.zeros_like(weight) for weight in weights]
    order_of = torch.Generator().manual_seed(0)
    curves = np.empty((len(configurations), epochs))
    for epoch in range(epochs):
        now = rate * torch.tensor(
            [_factor(one.get("schedule", "constant"), epoch, epochs) for one in configurations]
        )
        order = torch.randperm(len(inputs), generator=order_of)
        for batch in order.split(_BATCH):
            loss = losses[0](forward(weights, inputs[batch]), targets[batch])
            gradients = torch.autograd.grad(loss.sum(), weights)
            with torch.no_grad():
                for weight, velocity, gradient in zip(weights, velocities, gradients, strict=True):
                    velocity.mul_(_like(momentum, weight)).add_(gradient + _like(decay, weight) * weight)
                    weight.sub_(_like(now, weight) * velocity)
        with torch.no_grad():
            curves[:, epoch] = losses[1](forward(weights, held_inputs), held_targets).numpy()
    return curves


def _factor(schedule: str, epoch: int, epochs: int) -> float:
    if schedule == "cosine":
        return 0.5 * (1 + float(np.cos(np.pi * epoch / epochs)))
    if schedule == "steps":
        return 0.1 ** (2 * epoch // epochs + (5 * epoch // epochs == 4))
    return 1.0


def _like(values: Tensor, weight: Tensor) -> Tensor:
    return values.view(-1, *[1] * (weight.dim() - 1))


def _draw(count: int, shapes: Sequence[tuple[int, ...]], scales: Sequence[float]) -> list[Tensor]:
    """Return weights for ``count`` networks that begin alike, but for their scale."""
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor(scales)
    weights = []
    for shape in shapes:
        first = torch.randn(shape, generator=generator) / shape[0] ** 0.5 if len(shape) > 1 else torch.zeros(shape)
        repeated = first.expand(count, *shape).clone()
        weights.append((repeated * _like(scale, repeated)).requires_grad_())
    return weights


def _perceptron(activation: str) -> Forward:
    def forward(weights: list[Tensor], batch: Tensor) -> Tensor:
        hidden = batch.expand(len(weights[0]), *batch.shape)
        for layer in range(0, len(weights), 2):
            hidden = torch.baddbmm(weights[layer + 1].unsqueeze(1), hidden, weights[layer])
            if layer + 2 < len(weights):
                hidden = _ACTIVATIONS[activation](hidden)
        return hidden

    return forward


def _reader(activation: str) -> Forward:
    """A recurrent network that reads eight rows of eight pixels."""

    def forward(weights: list[Tensor], batch: Tensor) -> Tensor:
        into, again, bias, out, out_bias = weights
        state = torch.zeros(len(into), len(batch), again.shape[-1])
        for row in batch.view(len(batch), 8, 8).unbind(1):
            seen = torch.baddbmm(bias.unsqueeze(1), row.expand(len(into), *row.shape), into)
            state = _ACTIVATIONS[activation](seen + state @ again)
        return torch.baddbmm(out_bias.unsqueeze(1), state, out)

    return forward


def _log_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    networks, batch, classes = outputs.shape
    each = functional.cross_entropy(
        outputs.reshape(-1, classes), targets.long().repeat(networks), reduction="none"
    )
    return each.view(networks, batch).mean(dim=1)


def _error(outputs: Tensor, targets: Tensor) -> Tensor:
    wrong = (outputs.argmax(dim=-1) != targets.long()).float().mean(dim=1)
    return torch.where(outputs.isfinite().all(dim=-1).all(dim=-1), wrong, torch.inf)


def _squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return ((outputs - targets.float().view(len(targets), -1)) ** 2).mean(dim=(1, 2))


def _record_perceptrons(
    data: tuple[Array, ...], out: int, losses: tuple[Loss, Loss], epochs: int, depth: int
) -> Any:
    def record(configurations: Sequence[Configuration]) -> Array:
        curves = np.empty((len(configurations), epochs))
        for first, places in groups_of(configurations, "width", "activation"):
            chosen = [configurations[place] for place in places]
            sizes = [data[0].shape[1], *[first["width"]] * depth, out]
            shapes = [shape for pair in pairwise(sizes) for shape in (pair, pair[1:])]
            weights = _draw(len(chosen), shapes, [one.get("scale", 1.0) for one in chosen])
            curves[places] = train(chosen, weights, _perceptron(first["activation"]), data, losses, epochs)
        return curves

    return record


def _record_readers(configurations: Sequence[Configuration]) -> Array:
    data = standard_split(*load_digits(return_X_y=True))
    curves = np.empty((len(configurations), 40))
    for first, places in groups_of(configurations, "width", "activation"):
        chosen = [configurations[place] for place in places]
        width = first["width"]
        shapes = [(8, width), (width, width), (width,), (width, 10), (10,)]
        weights = _draw(len(chosen), shapes, [one["scale"] for one in chosen])
        curves[places] = train(chosen, weights, _reader(first["activation"]), data, (_log_loss, _log_loss), 40)
    return curves


def _autoencoders(configurations: Sequence[Configuration]) -> Array:
    inputs, _, held, _ = standard_split(*load_digits(return_X_y=True))
    record = _record_perceptrons((inputs, inputs, held, held), 64, (_squared, _squared), 40, depth=1)
    curves: Array = record(configurations)
    return curves


def _friedman() -> tuple[Array, ...]:
    inputs, targets = make_friedman2(700, noise=60.0, random_state=3)
    return standard_split(inputs, (targets - targets.mean()) / targets.std())


_PROBLEM = make_classification(
    1_500, 20, n_informative=10, n_redundant=4, n_classes=4, class_sep=1.2, flip_y=0.08, random_state=4
)
_LR = [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0]
_WAYS = ["constant", "cosine", "steps"]

NETWORKS = [
    Training(
        "network-digits",
        "reported",
        {
            "lr": _LR,
            "momentum": [0.0, 0.9],
            "decay": [0.0, 1e-3, 1e-2],
            "width": [8, 32, 96],
            "activation": ["relu", "tanh"],
        },
        _record_perceptrons(standard_split(*load_digits(return_X_y=True)), 10, (_log_loss, _error), 40, depth=1),
    ),
    Training(
        "scheduled-network",
        "reported",
        {
            "lr": _LR,
            "schedule": _WAYS,
            "decay": [0.0, 1e-3, 1e-2],
            "width": [16, 64],
            "activation": ["relu", "tanh"],
        },
        _record_perceptrons(standard_split(*_PROBLEM), 4, (_log_loss, _error), 50, depth=2),
    ),
    Training(
        "recurrent-digits",
        "reported",
        {
            "lr": _LR,
            "momentum": [0.0, 0.9],
            "scale": [0.3, 1.0, 2.0],
            "width": [12, 32],
            "activation": ["relu", "tanh"],
        },
        _record_readers,
    ),
    Training(
        "autoencoder-digits",
        "reported",
        {
            "lr": _LR,
            "momentum": [0.0, 0.9],
            "schedule": _WAYS,
            "width": [6, 16],
            "activation": ["relu", "tanh", "gelu"],
        },
        _autoencoders,
    ),
    Training(
        "network-cancer",
        "tuning",
        {"lr": _LR, "momentum": [0.0, 0.9], "schedule": _WAYS, "width": [4, 24], "activation": ["relu", "tanh"]},
        _record_perceptrons(
            standard_split(*load_breast_cancer(return_X_y=True)), 2, (_log_loss, _log_loss), 40, depth=1
        ),
    ),
    Training(
        "network-wine",
        "tuning",
        {
            "lr": _LR,
            "momentum": [0.0, 0.9],
            "decay": [0.0, 1e-2],
            "scale": [0.3, 1.0, 2.0],
            "width": [3, 12],
            "activation": ["relu", "tanh"],
        },
        _record_perceptrons(standard_split(*load_wine(return_X_y=True)), 3, (_log_loss, _log_loss), 40, depth=2),
    ),
    Training(
        "scheduled-friedman",
        "tuning",
        {
            "lr": _LR,
            "schedule": _WAYS,
            "decay": [0.0, 1e-3, 1e-2],
            "width": [16, 64],
            "activation": ["relu", "tanh"],
        },
        _record_perceptrons(_friedman(), 1, (_squared, _squared), 50, depth=2),
    ),
]
