"""Lion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .blocks import scratch
from .optimizer import Group, Optimizer, check_range, descent, rate


class Lion(Optimizer):
    """Steps of one size, in the direction of a momentum's sign:

        p = p - lr λ p
        p = p - lr sign(β₁ m + (1 - β₁) g)
        m = β₂ m + (1 - β₂) g

    Source: Chen et al. 2023, Symbolic discovery of optimization algorithms, program 1.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **switches: Any,
    ):
        check_range("Lion", lr=(lr, 0, np.inf), beta1=(betas[0], 0, 1), beta2=(betas[1], 0, 1),
                    weight_decay=(weight_decay, 0, np.inf))  # fmt: skip
        defaults = {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, switches)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg",)

    def update(self, group: Group, t: float, p: np.ndarray, g: np.ndarray, m: np.ndarray) -> None:
        lr, (beta1, beta2), s = rate(group), group["betas"], scratch(p)
        d = descent(group, p, g, 0)
        if group["weight_decay"]:
            p *= 1 - lr * group["weight_decay"]
        np.subtract(d, m, out=s)
        s *= 1 - beta1
        s += m
        np.sign(s, out=s)
        s *= lr
        p -= s
        np.subtract(d, m, out=s)
        s *= 1 - beta2
        m += s
