"""Muon: momentum, orthogonalised."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.errors import ArgumentError, ShapeError
from .optimizer import Group, Optimizer, check_range, gradient_of, rate


class Muon(Optimizer):
    """For matrices: momentum with all its singular values brought to about 1.

        b = μ b + (1 - μ) g
        u = (1 - μ) g + μ b                    without `nesterov`, u = b
        p = p - lr λ p - lr c orthogonal(u)    c = √max(1, rows / columns)

    With `adjust_lr_fn="match_rms_adamw"`, c = 0.2 √max(rows, columns).
    Embeddings, biases and gains are for AdamW.
    Source: Jordan 2024, Muon. Liu et al. 2025, Muon is scalable for LLM training.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):
        inf = np.inf
        check_range("Muon", lr=(lr, 0, inf), momentum=(momentum, 0, inf),
                    weight_decay=(weight_decay, 0, inf))  # fmt: skip
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ArgumentError(
                f"Muon: adjust_lr_fn must be 'original' or 'match_rms_adamw': {adjust_lr_fn!r}"
            )
        defaults = {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }  # fmt: skip
        super().__init__(params, defaults)

    def add_param_group(self, param_group: Group) -> None:
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:
            if p.ndim != 2:
                self.param_groups.pop()
                raise ShapeError(f"Muon: only matrices can be orthogonalised: {p.spec}")

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("momentum_buffer",)

    def update_group(self, group: Group) -> None:
        """A matrix at a time, since orthogonalising needs the whole of it."""
        group = self.in_force(group)
        for p in group["params"]:
            if p.grad is not None:
                g, buffer = gradient_of(p), self.buffer(p, group)
                self.update(group, None, p.elements(), g, buffer)
                p.memory.touch()

    def buffer(self, p: Any, group: Group) -> np.ndarray:
        state = self.state[p]
        if not state:
            state["momentum_buffer"] = self.start(p, group)["momentum_buffer"]
        return state["momentum_buffer"].elements()

    def update(self, group: Group, t: Any, p: np.ndarray, g: np.ndarray, b: np.ndarray) -> None:
        lr, momentum = rate(group), group["momentum"]
        b += (1 - momentum) * (g - b)
        u = g + momentum * (b - g) if group["nesterov"] else b
        u = orthogonal(u, group["ns_coefficients"], group["ns_steps"], group["eps"])
        p *= 1 - lr * group["weight_decay"]
        p -= lr * adjustment(group["adjust_lr_fn"], *p.shape) * u


def orthogonal(
    x: np.ndarray, coefficients: tuple[float, float, float], steps: int, eps: float
) -> np.ndarray:
    """x with its singular values near 1, by `steps` of Newton and Schulz's iteration.

    x = a x + (b x xᵀ + c (x xᵀ)²) x: an odd polynomial of the singular values.
    """
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x  # the smaller product
    x = x / np.maximum(np.linalg.norm(x.astype(np.float64)), eps).astype(x.dtype)
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * (square @ square)) @ x
    return x.T if tall else x


def adjustment(name: str | None, rows: int, columns: int) -> float:
    """How much larger the steps of a matrix of this shape are to be."""
    if name == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))
