"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .blocks import scratch
from .optimizer import Group, Optimizer, check_range, descent, has_momentum, rate


class RMSprop(Optimizer):
    """Steps of the gradient over its root mean square:

        d = g + λ p
        v = α v + (1 - α) d²
        a = α a + (1 - α) d                   under `centered`, and v - a² stands for v below
        b = μ b + d / (√v + ε)                without momentum μ, b is this step's alone
        p = p - lr b

    Source: Tieleman & Hinton 2012, lecture 6.5. Graves 2013 for the centered version.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **switches: Any,
    ):
        inf = np.inf
        check_range("RMSprop", lr=(lr, 0, inf), alpha=(alpha, 0, inf), eps=(eps, 0, inf),
                    weight_decay=(weight_decay, 0, inf), momentum=(momentum, 0, inf))  # fmt: skip
        defaults = {
            "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay,
            "momentum": momentum, "centered": centered, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults, switches)

    def slots(self, group: Group) -> tuple[str, ...]:
        momentum = ("momentum_buffer",) if has_momentum(group) else ()
        mean = ("grad_avg",) if group["centered"] else ()
        return ("square_avg", *momentum, *mean)

    def update(
        self, group: Group, t: float, p: np.ndarray, g: np.ndarray, v: np.ndarray, *more: np.ndarray
    ) -> None:
        alpha, s = group["alpha"], scratch(p)
        d = descent(group, p, g, group["weight_decay"])
        np.multiply(d, d, out=s)
        s *= 1 - alpha
        v *= alpha
        v += s
        if group["centered"]:
            a = more[-1]
            np.subtract(d, a, out=s)
            s *= 1 - alpha
            a += s
            np.multiply(a, a, out=s)
            np.subtract(v, s, out=s)
            np.sqrt(s, out=s)
        else:
            np.sqrt(v, out=s)
        s += group["eps"]
        np.divide(d, s, out=s)
        if has_momentum(group):
            b = more[0]
            b *= group["momentum"]
            b += s
            s = np.multiply(b, rate(group), out=s)
        else:
            s *= rate(group)
        p -= s
