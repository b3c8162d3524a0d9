"""The overhead of an op: chains of small ones, forward and backward, per op of the chain."""

from __future__ import annotations

import numpy as np
import torch

import andon

from .timing import Result, alternate, show

LENGTH = 40


def chain(t, size: int):
    """z ← tanh(z·y + y) - y, ten times, and its gradient."""
    rng = np.random.default_rng(0)
    x = t.tensor(rng.standard_normal(size).astype(np.float32)).requires_grad_()
    y = t.tensor(rng.standard_normal(size).astype(np.float32))

    def run() -> None:
        z = x
        for _ in range(LENGTH // 4):
            z = z * y
            z = z + y
            z = t.tanh(z)
            z = z - y
        z.sum().backward()
        x.grad = None

    return run


def main() -> None:
    results = []
    torch.set_num_threads(2)
    for size in (8, 64, 1000):
        r = alternate(f"{size} elements", chain(andon, size), chain(torch, size), 25, 40, 1.0)
        results.append(Result(r.name, r.ours / LENGTH, r.theirs / LENGTH, r.ratio, r.target))
    show("forward and backward, per op", results)
