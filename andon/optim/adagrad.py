"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..tensor.tensor import Tensor
from .blocks import scratch
from .optimizer import Group, Optimizer, check_range, descent, rate


class Adagrad(Optimizer):
    """Steps of the gradient over the root of the sum of all its squares:

        d = g + λ p
        v = v + d²
        p = p - lr / (1 + (t - 1) η) d / (√v + ε)          η is `lr_decay`

    Source: Duchi et al. 2011, Adaptive subgradient methods.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **switches: Any,
    ):
        inf = np.inf
        check_range("Adagrad", lr=(lr, 0, inf), lr_decay=(lr_decay, 0, inf), eps=(eps, 0, inf),
                    weight_decay=(weight_decay, 0, inf),
                    initial_accumulator_value=(initial_accumulator_value, 0, inf))  # fmt: skip
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults, switches)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("sum",)

    def start(self, p: Tensor, group: Group) -> dict[str, Tensor]:
        state = super().start(p, group)
        state["sum"].array.fill(group["initial_accumulator_value"])
        return state

    def update(self, group: Group, t: float, p: np.ndarray, g: np.ndarray, v: np.ndarray) -> None:
        s = scratch(p)
        d = descent(group, p, g, group["weight_decay"])
        np.multiply(d, d, out=s)
        v += s
        np.sqrt(v, out=s)
        s += group["eps"]
        np.divide(d, s, out=s)
        s *= rate(group) / (1 + (t - 1) * group["lr_decay"])
        p -= s
