"""Clipping: gradients scaled down, or cut off, where they are too large."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...core.errors import GradientError
from ...core.op import Symbolic
from ...tensor.tensor import Tensor, wrap


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients by min(1, max_norm / norm); returns the norm, of all of them together.

    Source: Pascanu et al. 2013, On the difficulty of training recurrent networks, algorithm 1.
    """
    tensors = listed(parameters)
    grads = [p.grad for p in tensors if p.grad is not None]
    norm = get_total_norm(grads, norm_type, error_if_nonfinite)
    clip_grads_with_norm_(tensors, max_norm, norm)
    return norm


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors together, as if they were one vector."""
    arrays = [t.elements() for t in listed(tensors)]
    if any(isinstance(array, Symbolic) for array in arrays):
        return wrap(recorded_norm(arrays, float(norm_type)))
    norms = [norm_of(array, float(norm_type)) for array in arrays]
    total = norm_of(np.array(norms, np.float64), float(norm_type))
    if error_if_nonfinite and not math.isfinite(total):
        raise GradientError(f"clip_grad_norm_: the norm of the gradients is not finite: {total}")
    return wrap(np.array(total, arrays[0].dtype if arrays else np.float32))


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scale all gradients by min(1, max_norm / total_norm)."""
    norm: Any = total_norm.elements()
    norm = norm if isinstance(norm, Symbolic) else float(norm)
    factor: Any = float(max_norm) / (norm + 1e-6)
    if isinstance(norm, Symbolic):
        factor = np.minimum(factor, 1.0)
    elif factor >= 1:
        return
    for p in listed(parameters):
        if p.grad is not None:
            g = p.grad.elements()
            g *= factor
            p.grad.memory.touch()


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Cut off every element of every gradient at ±clip_value."""
    for p in listed(parameters):
        if p.grad is not None:
            g, limit = p.grad.elements(), float(clip_value)
            np.maximum(g, -limit, out=g)
            np.minimum(g, limit, out=g)
            p.grad.memory.touch()


def norm_of(x: np.ndarray, order: float) -> float:
    """(Σ |xᵢ|ᵖ)^(1/p), the largest |xᵢ| for p = ∞."""
    x = x.reshape(-1)
    if x.dtype.itemsize == 2:
        x = x.astype(np.float32)  # the squares of half-precision numbers overflow
    if x.size == 0:
        return 0.0
    if order == 2:
        return math.sqrt(float(np.dot(x, x)))
    return float(np.linalg.norm(x, order))


def recorded_norm(arrays: list, order: float) -> Any:
    """As `norm_of` all arrays together, in functions that a recording knows."""
    if order == 2:
        squares = [np.add.reduce(x * x, axis=None) for x in arrays]
        return np.sqrt(functools.reduce(np.add, squares))
    parts = [np.absolute(x) for x in arrays]
    if order == math.inf:
        return functools.reduce(np.maximum, [np.maximum.reduce(x, axis=None) for x in parts])
    powers = [np.add.reduce(x**order, axis=None) for x in parts]
    return functools.reduce(np.add, powers) ** (1 / order)


def listed(given: Any) -> list[Tensor]:
    return [given] if isinstance(given, Tensor) else list(given)
