"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.errors import ArgumentError
from .blocks import scratch
from .optimizer import Group, Optimizer, check_range, descent, rate


class Adadelta(Optimizer):
    """Steps of the gradient in units of the parameter:

        d = g + λ p
        v = ρ v + (1 - ρ) d²
        Δ = √(u + ε) / √(v + ε) d
        u = ρ u + (1 - ρ) Δ²
        p = p - lr Δ

    Source: Zeiler 2012, ADADELTA, algorithm 1.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **switches: Any,
    ):
        inf = np.inf
        check_range("Adadelta", lr=(lr, 0, inf), eps=(eps, 0, inf),
                    weight_decay=(weight_decay, 0, inf))  # fmt: skip
        if not 0 <= rho <= 1:
            raise ArgumentError(f"Adadelta: rho must be in [0, 1]: {rho}")
        defaults = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults, switches)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    def update(
        self, group: Group, t: float, p: np.ndarray, g: np.ndarray, v: np.ndarray, u: np.ndarray
    ) -> None:
        rho, eps, s, delta = group["rho"], group["eps"], scratch(p), scratch(p, 3)
        d = descent(group, p, g, group["weight_decay"])
        np.multiply(d, d, out=s)
        mix(v, s, rho)
        np.add(u, eps, out=delta)
        np.add(v, eps, out=s)
        delta /= s
        np.sqrt(delta, out=delta)
        delta *= d
        np.multiply(delta, delta, out=s)
        mix(u, s, rho)
        delta *= rate(group)
        p -= delta


def mix(mean: np.ndarray, x: np.ndarray, rho: float) -> None:
    """mean = ρ mean + (1 - ρ) x, in place; x is overwritten."""
    mean *= rho
    x *= 1 - rho
    mean += x
