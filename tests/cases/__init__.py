"""The table of op cases: a row is one use of the public API, checked in every way there is.

A row says what to compute, as a function of a namespace (`andon` or `torch`, which share their
names) and of operands. `tests/test_ops.py` runs every row against the shape rules, PyTorch,
finite differences, and PyTorch's second derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Case:
    """One row.

    name      what the row shows, unique
    call      `call(t, *xs)`, where t is andon or torch: a tensor, or a tuple of tensors
    operands  shapes (filled with random floats) or ready arrays (integers, booleans, floats)
    low, high the range of the random floats
    grad      whether to check derivatives; second: those of second order too
    rtol      relative tolerance in float64
    dtypes    the float dtypes in which the value is compared with torch's
    """

    name: str
    call: Callable[..., Any]
    operands: list[Any]
    low: float = -2.0
    high: float = 2.0
    grad: bool = True
    second: bool = True
    rtol: float = 1e-8
    dtypes: tuple[str, ...] = ("float64", "float32")
    seed: int = field(default=0, repr=False)

    def arrays(self) -> list[np.ndarray]:
        """The operands as arrays, floats in float64."""
        rng = np.random.default_rng(self.seed + len(self.name))
        return [
            rng.uniform(self.low, self.high, x) if isinstance(x, tuple) else np.asarray(x)
            for x in self.operands
        ]
