"""Adamax."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .blocks import scratch
from .optimizer import Group, Optimizer, check_range, descent, rate


class Adamax(Optimizer):
    """Adam with the largest gradient in place of the root mean square:

        d = g + λ p
        m = β₁ m + (1 - β₁) d
        u = max(β₂ u, |d| + ε)
        p = p - lr / (1 - β₁ᵗ) m / u

    Source: Kingma & Ba 2015, Adam, algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **switches: Any,
    ):
        check_range("Adamax", lr=(lr, 0, np.inf), eps=(eps, 0, np.inf), beta1=(betas[0], 0, 1),
                    beta2=(betas[1], 0, 1), weight_decay=(weight_decay, 0, np.inf))  # fmt: skip
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                    "maximize": maximize}  # fmt: skip
        super().__init__(params, defaults, switches)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def update(
        self, group: Group, t: float, p: np.ndarray, g: np.ndarray, m: np.ndarray, u: np.ndarray
    ) -> None:
        (beta1, beta2), s = group["betas"], scratch(p)
        d = descent(group, p, g, group["weight_decay"])
        np.subtract(d, m, out=s)
        s *= 1 - beta1
        m += s
        np.abs(d, out=s)
        s += group["eps"]
        u *= beta2
        np.maximum(u, s, out=u)
        np.divide(m, u, out=s)
        s *= rate(group) / (1 - beta1**t)
        p -= s
