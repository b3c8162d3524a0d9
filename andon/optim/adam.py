"""Adam, and AdamW, which decays the weights apart from the gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .blocks import scratch
from .optimizer import Group, Optimizer, check_range, descent, rate


def moments(g: np.ndarray, m: np.ndarray, v: np.ndarray, beta1: float, beta2: float) -> None:
    """m = β₁ m + (1 - β₁) g and v = β₂ v + (1 - β₂) g², in place."""
    s = scratch(g)
    np.subtract(g, m, out=s)
    s *= 1 - beta1
    m += s
    np.multiply(g, g, out=s)
    s *= 1 - beta2
    v *= beta2
    v += s


class Adam(Optimizer):
    """Steps of the mean gradient over its root mean square:

        d = g + λ p                              without `decoupled_weight_decay`
        m = β₁ m + (1 - β₁) d
        v = β₂ v + (1 - β₂) d²                   under `amsgrad`, the largest v so far
        m̂ = m / (1 - β₁ᵗ),  v̂ = v / (1 - β₂ᵗ)
        p = p - lr λ p                           with `decoupled_weight_decay`
        p = p - lr m̂ / (√v̂ + ε)

    Source: Kingma & Ba 2015, Adam, algorithm 1. Reddi et al. 2018 for AMSGrad.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        **switches: Any,
    ):
        check_range(
            type(self).__name__,
            lr=(lr, 0, np.inf),
            eps=(eps, 0, np.inf),
            beta1=(betas[0], 0, 1),
            beta2=(betas[1], 0, 1),
            weight_decay=(weight_decay, 0, np.inf),
        )
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults, switches)

    def slots(self, group: Group) -> tuple[str, ...]:
        largest = ("max_exp_avg_sq",) if group["amsgrad"] else ()
        return ("exp_avg", "exp_avg_sq", *largest)

    def update(
        self,
        group: Group,
        t: float,
        p: np.ndarray,
        g: np.ndarray,
        m: np.ndarray,
        v: np.ndarray,
        largest: np.ndarray | None = None,
    ) -> None:
        lr, decay, (beta1, beta2) = rate(group), group["weight_decay"], group["betas"]
        decoupled = group["decoupled_weight_decay"]
        d = descent(group, p, g, 0 if decoupled else decay)
        if decoupled and decay:
            p *= 1 - lr * decay
        moments(d, m, v, beta1, beta2)
        if largest is not None:
            np.maximum(largest, v, out=largest)
            v = largest
        # lr m̂ / (√v̂ + ε), with the corrections taken out of the arrays
        root = (1 - beta2**t) ** 0.5
        s = np.sqrt(v, out=scratch(p))
        s += group["eps"] * root
        np.divide(m, s, out=s)
        s *= lr * root / (1 - beta1**t)
        p -= s


class AdamW(Adam):
    """Adam with the weight decay apart from the gradient: p = p - lr λ p, then Adam's step.

    Source: Loshchilov & Hutter 2019, Decoupled weight decay regularization, algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **switches: Any,
    ):
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize,
            decoupled_weight_decay=True, **switches,
        )  # fmt: skip
