"""Adding up arrays, accurately and fast: what sums, means and gradients of broadcasts rest on."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

ENOUGH = 4096  # elements from which on a product with ones is faster than NumPy's sum
AT_ONCE = 1024  # terms that a product adds up one by one; more would lose accuracy


def in_float32(reference: Callable) -> Callable:
    """Decorator: 16-bit floats are computed with in float32, and the result is rounded once."""

    @functools.wraps(reference)
    def wide(x, **attrs):
        if x.dtype.itemsize == 2 and x.dtype.kind in "fV":
            return reference(x.astype(np.float32), **attrs).astype(x.dtype)
        return reference(x, **attrs)

    return wide


@in_float32
def add_up(x, *, dim, keepdim=False):
    """Σ x over the dims in `dim`, in the dtype of x; integers and booleans in int64."""
    if x.dtype.kind in "biu":
        return np.add.reduce(x, axis=dim, keepdims=keepdim, dtype=np.int64)
    if x.size >= ENOUGH and len(dim) < x.ndim and x.flags.c_contiguous:
        y = by_product(x, dim)
        if y is not None:
            return np.expand_dims(y, dim) if keepdim else y
    return np.add.reduce(x, axis=dim, keepdims=keepdim)


def by_product(x, dim):
    """Σ x over the first or the last dims as a matrix product with ones; None for others.

    Twice as fast as NumPy's sum, which goes row by row.
    """
    count, ndim = len(dim), x.ndim
    if dim == tuple(range(count)):
        rows = math.prod(x.shape[:count])
        return sum_of_rows(x.reshape(rows, x.size // rows)).reshape(x.shape[count:])
    if dim == tuple(range(ndim - count, ndim)):
        columns = math.prod(x.shape[ndim - count :])
        if columns <= AT_ONCE:
            y = x.reshape(-1, columns) @ np.ones(columns, x.dtype)
            return y.reshape(x.shape[: ndim - count])
    return None


def sum_of_rows(x):
    """The rows of a matrix added up: in blocks, and the sums of the blocks likewise."""
    rows, columns = x.shape
    if rows <= AT_ONCE:
        return np.ones(rows, x.dtype) @ x
    whole = rows // AT_ONCE * AT_ONCE
    parts = np.ones(AT_ONCE, x.dtype) @ x[:whole].reshape(-1, AT_ONCE, columns)
    return sum_of_rows(parts) + sum_of_rows(x[whole:])
