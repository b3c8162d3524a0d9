"""NAdam: Adam with Nesterov's look ahead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..tensor.tensor import Tensor, wrap
from .adam import moments
from .blocks import scratch
from .optimizer import Group, Optimizer, check_range, descent, number, rate


class NAdam(Optimizer):
    """Adam whose momentum looks one step ahead:

        d = g + λ p                                  without `decoupled_weight_decay`
        m, v as in Adam
        μₜ = β₁ (1 - 0.96^(t ψ) / 2)                 ψ is `momentum_decay`
        Πₜ = μ₁ μ₂ ... μₜ
        p = p - lr λ p                               with `decoupled_weight_decay`
        p = p - lr ((1 - μₜ) / (1 - Πₜ) d + μₜ₊₁ / (1 - Πₜ μₜ₊₁) m) / (√(v / (1 - β₂ᵗ)) + ε)

    Source: Dozat 2016, Incorporating Nesterov momentum into Adam.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **switches: Any,
    ):
        inf = np.inf
        check_range("NAdam", lr=(lr, 0, inf), eps=(eps, 0, inf), beta1=(betas[0], 0, 1),
                    beta2=(betas[1], 0, 1), weight_decay=(weight_decay, 0, inf),
                    momentum_decay=(momentum_decay, 0, inf))  # fmt: skip
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "momentum_decay": momentum_decay, "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults, switches)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def start(self, p: Tensor, group: Group) -> dict[str, Tensor]:
        return {**super().start(p, group), "mu_product": wrap(np.ones((), np.float32))}

    def begin(self, p: Tensor, group: Group) -> tuple[float, float]:
        """The number of the step, and Πₜ."""
        t = super().begin(p, group)
        product = self.state[p]["mu_product"].elements()
        product *= momentum_at(t, group)
        return t, number(product)

    def update(
        self,
        group: Group,
        age: tuple[float, float],
        p: np.ndarray,
        g: np.ndarray,
        m: np.ndarray,
        v: np.ndarray,
    ) -> None:
        (t, product), lr, decay = age, rate(group), group["weight_decay"]
        (beta1, beta2), decoupled = group["betas"], group["decoupled_weight_decay"]
        d = descent(group, p, g, 0 if decoupled else decay)
        if decoupled and decay:
            p *= 1 - lr * decay
        moments(d, m, v, beta1, beta2)
        s, step = scratch(p), scratch(p, 3)
        np.multiply(v, 1 / (1 - beta2**t), out=s)
        np.sqrt(s, out=s)
        s += group["eps"]
        now, ahead = momentum_at(t, group), momentum_at(t + 1, group)
        np.divide(d, s, out=step)
        step *= lr * (1 - now) / (1 - product)
        p -= step
        np.divide(m, s, out=step)
        step *= lr * ahead / (1 - product * ahead)
        p -= step


def momentum_at(t: float, group: Group) -> float:
    """μₜ."""
    return group["betas"][0] * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"]))
