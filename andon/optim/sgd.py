"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.errors import ArgumentError
from ..core.op import interpreters
from ..tensor.tensor import Tensor, wrap
from .blocks import scratch
from .optimizer import Group, Optimizer, check_range, descent, has_momentum, rate


class SGD(Optimizer):
    """Gradient descent, with momentum μ and dampening τ:

        d = g + λ p
        b = μ b + (1 - τ) d          the first time b = d
        p = p - lr b                 or p - lr (d + μ b) under `nesterov`

    Source: Sutskever et al. 2013, On the importance of initialization and momentum.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **switches: Any,
    ):
        inf = np.inf
        check_range("SGD", lr=(lr, 0, inf), momentum=(momentum, 0, inf),
                    weight_decay=(weight_decay, 0, inf))  # fmt: skip
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ArgumentError(
                f"SGD: nesterov needs a momentum and no dampening: {momentum}, {dampening}"
            )
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening,
            "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults, switches)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("momentum_buffer",) if has_momentum(group) else ()

    def begin(self, p: Tensor, group: Group) -> bool:
        """Whether this is the first momentum, which is not dampened."""
        if not has_momentum(group):
            return False
        state = self.state[p]
        if group["dampening"] and interpreters.recorder is not None:
            interpreters.recorder.guard(
                lambda: state.get("momentum_buffer") is None, "whether there is momentum"
            )
        if state.get("momentum_buffer") is not None:
            return False
        state["momentum_buffer"] = wrap(np.zeros(p.array.shape, p.array.dtype))
        return group["dampening"] != 0  # the one thing for which it matters

    def update(
        self, group: Group, first: bool, p: np.ndarray, g: np.ndarray, b: np.ndarray | None = None
    ) -> None:
        momentum, s = group["momentum"], scratch(p)
        d = descent(group, p, g, group["weight_decay"])
        if b is not None:
            b *= momentum
            b += d if first else np.multiply(d, 1 - group["dampening"], out=s)
            if group["nesterov"]:
                np.multiply(b, momentum, out=s)
                s += d
                d = s
            else:
                d = b
        np.multiply(d, rate(group), out=s)
        p -= s
