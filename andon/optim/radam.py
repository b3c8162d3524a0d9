"""RAdam: Adam with its variance rectified."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..core.op import Symbolic
from .adam import moments
from .blocks import scratch
from .optimizer import Group, Optimizer, check_range, descent, rate


class RAdam(Optimizer):
    """Adam that begins with plain momentum, while too few gradients were seen to trust v:

        d = g + λ p                                      without `decoupled_weight_decay`
        m, v as in Adam
        ρ∞ = 2 / (1 - β₂) - 1,  ρ = ρ∞ - 2 t β₂ᵗ / (1 - β₂ᵗ)
        r = √((ρ - 4) (ρ - 2) ρ∞ / ((ρ∞ - 4) (ρ∞ - 2) ρ))
        p = p - lr m̂ r √(1 - β₂ᵗ) / (√v + ε)             where ρ > 5, else p - lr m̂

    Source: Liu et al. 2020, On the variance of the adaptive learning rate, algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **switches: Any,
    ):
        check_range("RAdam", lr=(lr, 0, np.inf), eps=(eps, 0, np.inf), beta1=(betas[0], 0, 1),
                    beta2=(betas[1], 0, 1), weight_decay=(weight_decay, 0, np.inf))  # fmt: skip
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults, switches)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def update(
        self, group: Group, t: float, p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray
    ) -> None:
        lr, decay, (beta1, beta2) = rate(group), group["weight_decay"], group["betas"]
        decoupled = group["decoupled_weight_decay"]
        d = descent(group, p, g, 0 if decoupled else decay)
        if decoupled and decay:
            p *= 1 - lr * decay
        moments(d, m, v, beta1, beta2)
        s, lr = scratch(p), lr / (1 - beta1**t)
        limit = 2 / (1 - beta2) - 1
        rho = limit - 2 * t * beta2**t / (1 - beta2**t)

        def adaptive() -> np.ndarray:
            np.sqrt(v, out=s)
            np.add(s, group["eps"], out=s)
            np.divide(m, s, out=s)
            return np.multiply(s, lr * rectifier(rho, limit) * (1 - beta2**t) ** 0.5, out=s)

        p -= chosen(rho > 5, adaptive, lambda: m * lr)


def rectifier(rho: float, limit: float) -> float:
    """r."""
    return ((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)) ** 0.5


def chosen(condition: Any, then: Callable, otherwise: Callable) -> Any:
    """then() or otherwise(); of a condition that is being recorded, a choice between the two."""
    if isinstance(condition, Symbolic):
        return np.where(condition, then(), otherwise())
    return then() if condition else otherwise()
