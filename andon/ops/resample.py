"""Resampling along one dim: what `interpolate` does, one dim after the other.

Element i of the result lies at position i · step + start of the input, and is a weighted sum of
the elements around it. That is a product with a matrix, mostly of zeros, and BLAS is faster at
it than NumPy is at fetching neighbours one by one. `resample_adjoint` multiplies by its transpose.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from ..core.errors import DTypeError
from ..core.op import op
from ..core.spec import Spec
from .accumulate import in_float32

CUBIC = -0.75  # the slope parameter a of Keys' kernel, as in PyTorch and OpenCV


@op
@in_float32
def resample(x, *, dim, size, step, start, kind):
    """y_i = Σ_t weight_t x_(index_t) along `dim`, at the positions i · step + start.

    Kinds: "nearest" (the element at or before (i + start) · step), "linear" (the two around it),
    "cubic" (the four around it).

    Shapes: x (..., L, ...) -> (..., size, ...).
    """
    indices, weights = neighbours(x.shape[dim], size, step, start, kind)
    if kind == "nearest":
        return np.take(x, indices[0], dim)
    if x.dtype.kind != "f":
        raise DTypeError(f"interpolate: {kind} needs floats: {x.dtype}")
    y = along(matrix(x.shape[dim], size, step, start, kind), x, dim)
    if np.isfinite(y).all():
        return y
    column = (-1, *(1 for _ in x.shape[dim + 1 :]))  # 0 · ∞ is NaN: keep it where it belongs
    parts = zip(indices, weights.astype(x.dtype), strict=True)
    return sum(np.take(x, index, dim) * weight.reshape(column) for index, weight in parts)


@resample.spec
def resample_spec(x, *, dim, size, **positions):
    return Spec((*x.shape[:dim], size, *x.shape[dim + 1 :]), x.dtype)


@resample.grad(keeps=())
def resample_grad(g, y, x, *, dim, **positions):
    return (resample_adjoint.apply(g, dim=dim, length=x.shape[dim], **positions),)


@op
@in_float32
def resample_adjoint(g, *, dim, length, size, step, start, kind):
    """Each element of g, by its weights, added to those that `resample` makes it from.

    Shapes: g (..., size, ...) -> (..., length, ...).
    """
    return along(matrix(length, size, step, start, kind).T, g, dim)


@resample_adjoint.spec
def resample_adjoint_spec(g, *, dim, length, **positions):
    return Spec((*g.shape[:dim], length, *g.shape[dim + 1 :]), g.dtype)


@resample_adjoint.grad(keeps=())
def resample_adjoint_grad(h, y, g, *, length, **positions):
    return (resample.apply(h, **positions),)


def along(matrix: np.ndarray, x: np.ndarray, dim: int) -> np.ndarray:
    """The matrix times x along `dim`."""
    matrix = matrix.astype(x.dtype)
    before, after = x.shape[:dim], x.shape[dim + 1 :]
    if not after:
        y = x.reshape(-1, x.shape[dim]) @ matrix.T
    else:
        y = matrix @ x.reshape(math.prod(before), x.shape[dim], math.prod(after))
    return y.reshape(*before, len(matrix), *after)


@lru_cache(maxsize=64)
def matrix(length: int, size: int, step: float, start: float, kind: str) -> np.ndarray:
    """The matrix of `resample`. Shapes: (size, length)."""
    y = np.zeros((size, length))
    for index, weight in zip(*neighbours(length, size, step, start, kind), strict=True):
        y[np.arange(size), index] += weight
    return y


def neighbours(length: int, size: int, step: float, start: float, kind: str):
    """Indices and weights of the elements around each position. Shapes: two of (count, size)."""
    if kind == "nearest":  # in float32, since in PyTorch its rounding decides
        position = (np.arange(size, dtype=np.float32) + np.float32(start)) * np.float32(step)
        return np.minimum(position.astype(np.int64), length - 1)[None], np.ones((1, size))
    position = np.arange(size) * step + start
    if kind == "linear":
        position = np.clip(position, 0, length - 1)
    low = np.floor(position).astype(np.int64)
    t = position - low
    if kind == "linear":
        return np.stack([low, np.minimum(low + 1, length - 1)]), np.stack([1 - t, t])
    indices = np.clip(low + np.array([[-1], [0], [1], [2]]), 0, length - 1)
    return indices, np.stack([far(1 + t), near(t), near(1 - t), far(2 - t)])


def near(d: np.ndarray) -> np.ndarray:
    """Keys' kernel at distances up to 1.

    Source: Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981), eq. 4.
    """
    return ((CUBIC + 2) * d - (CUBIC + 3)) * d * d + 1


def far(d: np.ndarray) -> np.ndarray:
    """Keys' kernel at distances from 1 to 2."""
    return ((CUBIC * d - 5 * CUBIC) * d + 8 * CUBIC) * d - 4 * CUBIC
