"""Gradient check: compare what autograd says with finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import GradientError
from ..core.mode import enable_grad, no_grad
from . import grad
from .engine import Tape
from .functional import as_tuple


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    **ignored: Any,
) -> bool:
    """Whether the Jacobian agrees with (f(x + ε) - f(x - ε)) / 2ε in every element.

    Use float64 inputs: in float32 the differences drown in rounding.
    """
    inputs = as_tuple(inputs)
    watched = [x for x in inputs if getattr(x, "requires_grad", False) and x.numel()]
    if not watched:
        raise GradientError("gradcheck: no input that has elements requires a gradient")
    for o, y in enumerate(as_tuple(func(*inputs))):
        for i, x in enumerate(watched if y.requires_grad else ()):
            numeric = numeric_jacobian(func, inputs, x, o, eps)
            exact = exact_jacobian(func, inputs, x, o)
            if not np.allclose(exact, numeric, rtol, atol, equal_nan=True):
                if not raise_exception:
                    return False
                worst = float(np.nanmax(np.abs(exact - numeric)))
                raise GradientError(
                    f"gradcheck: output {o}, input {i}: the Jacobian is off by up to {worst:.3g}:\n"
                    f"autograd\n{exact}\nfinite differences\n{numeric}"
                )
    return True


def numeric_jacobian(func: Callable, inputs: tuple, x: Any, o: int, eps: float) -> np.ndarray:
    """Columns of (f(x + ε e_j) - f(x - ε e_j)) / 2ε."""
    columns = []
    flat = x.array.reshape(-1) if x.array.flags.c_contiguous else None
    if flat is None:
        raise GradientError("gradcheck: inputs must be contiguous")
    with no_grad():
        for j in range(flat.size):
            before = flat[j]
            values = []
            for sign in (+1, -1):
                flat[j] = before + sign * eps
                values.append(as_tuple(func(*inputs))[o].array.flatten())
            flat[j] = before
            columns.append((values[0] - values[1]) / (2 * eps))
    return np.array(columns)


def exact_jacobian(func: Callable, inputs: tuple, x: Any, o: int) -> np.ndarray:
    """The same by backward passes, a row per element of the output; transposed to columns."""
    flat = as_tuple(func(*inputs))[o].reshape(-1)
    rows = [grad(y, x, retain_graph=True, materialize_grads=True)[0].array.ravel() for y in flat]
    return np.array(rows).reshape(len(rows), x.numel()).T


def gradgradcheck(func: Callable, inputs: Any, **options: Any) -> bool:
    """`gradcheck` of the gradient of `func`, weighted at random: its second derivatives."""
    inputs = as_tuple(inputs)
    watched = [i for i, x in enumerate(inputs) if getattr(x, "requires_grad", False)]

    @enable_grad()
    def gradient(*xs: Any) -> tuple:
        outputs = [y for y in as_tuple(func(*xs)) if y.requires_grad]
        rng = np.random.default_rng(0)
        seeds = [Tape.tensor(rng.random(y.shape).astype(y.array.dtype)) for y in outputs]
        targets = [xs[i] for i in watched]
        return grad(outputs, targets, seeds, create_graph=True, materialize_grads=True)

    return gradcheck(gradient, inputs, **options)
