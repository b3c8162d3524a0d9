"""A jitted training step of a small CNN, an LSTM and an MLP, against torch.compile and torch eager.

Images of Fashion-MNIST's size in batches of 64; forward, backward and the optimizer's step are one
function on both sides, of one text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .timing import Result, alternate, show

BATCH, SIDE, CLASSES = 64, 28, 10
TARGET = 0.7


def cnn(t: Any) -> Any:
    """conv 16, pool, conv 32, pool, linear."""
    nn = t.nn
    first = nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    second = nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(32 * 7 * 7, CLASSES))


def lstm(t: Any) -> Any:
    """The rows of an image as time steps."""
    nn = t.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(SIDE, 128, batch_first=True), nn.Linear(128, CLASSES)

        def forward(self, x: Any) -> Any:
            y, _ = self.lstm(x.view(BATCH, SIDE, SIDE))
            return self.head(y[:, -1])

    return Net()


def mlp(t: Any) -> Any:
    nn = t.nn
    layers = nn.Linear(SIDE * SIDE, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU()
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(128, CLASSES))


NETS = ((cnn, "SGD", 10), (lstm, "Adam", 10), (mlp, "Adam", 50))  # repeats: about as long


def step_of(t: Any, build: Callable, optimizer: str, compiled: Callable) -> Callable[[], float]:
    """A function that takes one training step."""
    t.manual_seed(0)
    model = build(t)
    chosen = getattr(t.optim, optimizer)(model.parameters(), lr=1e-3)

    def step(x: Any, y: Any) -> Any:
        chosen.zero_grad()
        loss = t.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        chosen.step()
        return loss

    run = compiled(step)
    rng = np.random.default_rng(0)
    x = t.tensor(rng.standard_normal((BATCH, 1, SIDE, SIDE)).astype(np.float32))
    y = t.tensor(rng.integers(0, CLASSES, BATCH))
    return lambda: run(x, y).item()


def main() -> None:
    import torch

    import andon

    torch.set_num_threads(2)
    peers = {"torch.compile": torch.compile, "torch eager": lambda step: step}
    for peer, compiled in peers.items():
        results: list[Result] = []
        for build, optimizer, repeats in NETS:
            ours = step_of(andon, build, optimizer, andon.jit)
            theirs = step_of(torch, build, optimizer, compiled)
            name = f"{build.__name__}, {optimizer}"
            results.append(alternate(name, ours, theirs, 21, repeats, TARGET, between=3))
        show("training step, jitted", results, peer)
