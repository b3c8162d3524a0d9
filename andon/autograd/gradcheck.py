"""Gradient check: compare what autograd says with finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import GradientError
from ..core.mode import no_grad
from . import grad
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
    watched = [x for x in inputs if getattr(x, "requires_grad", False)]
    if not watched:
        raise GradientError("gradcheck: no input requires a gradient")
    outputs = [y for y in as_tuple(func(*inputs)) if y.requires_grad]
    for o in range(len(outputs)):
        for i, x in enumerate(watched):
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
                floats = [y for y in as_tuple(func(*inputs)) if y.dtype.is_floating_point]
                values.append(floats[o].array.copy().ravel())
            flat[j] = before
            columns.append((values[0] - values[1]) / (2 * eps))
    return np.array(columns)


def exact_jacobian(func: Callable, inputs: tuple, x: Any, o: int) -> np.ndarray:
    """The same by backward passes, a row per element of the output; transposed to columns."""
    y = [y for y in as_tuple(func(*inputs)) if y.requires_grad][o].reshape(-1)
    rows = [
        grad(y[i], x, retain_graph=True, allow_unused=True)[0] for i in range(y.shape[0])
    ]
    arrays = [np.zeros(x.array.size) if g is None else g.array.ravel() for g in rows]
    return np.array(arrays).reshape(len(rows), -1).T


def gradgradcheck(func: Callable, inputs: Any, **options: Any) -> bool:
    """`gradcheck` of the gradient of `func`: its second derivatives."""
    inputs = as_tuple(inputs)
    watched = [i for i, x in enumerate(inputs) if getattr(x, "requires_grad", False)]

    def gradient(*xs: Any) -> tuple:
        outputs = [y for y in as_tuple(func(*xs)) if y.requires_grad]
        seeds = [y.detach() * 0 + 1 for y in outputs]
        targets = [xs[i] for i in watched]
        return grad(outputs, targets, seeds, create_graph=True, materialize_grads=True)

    return gradcheck(gradient, inputs, **options)
